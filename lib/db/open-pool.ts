import pg from 'pg'
import { primaryClient } from './primary-client.ts'
import type { Primary } from './primary.ts'
import { translateError } from './translate-error.ts'

interface PoolOptions {
  readonly connectionString?: string | undefined
  readonly applicationName: string
  readonly maxConnections: number
}

/**
 * How long a connection of our own pool stays open that nobody uses, in milliseconds: longer than an idle server's longest pause
 * between two looks, because opening one costs PostgreSQL more than a hundred of them.
 */
const idleConnectionMs = 15_000

/**
 * Opens a pool of our own, whose connections lead to the primary.
 * @throws {ClusterError} CW_CONFIG when the URL cannot be read
 */
export function openPool(
  options: PoolOptions,
  connectionTimeoutMs: number,
  primary: Primary,
): pg.Pool {
  try {
    const pool = new pg.Pool({
      connectionString: options.connectionString,
      application_name: options.applicationName,
      max: options.maxConnections,
      connectionTimeoutMillis: connectionTimeoutMs,
      idleTimeoutMillis: idleConnectionMs,
      keepAlive: true,
      pipeline: true,
      allowExitOnIdle: true,
      Client: primaryClient(primary),
    })
    pool.on('error', () => undefined)
    return pool
  } catch (error) {
    throw translateError(error)
  }
}
