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
