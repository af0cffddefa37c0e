import type pg from 'pg'
import { ClusterError } from '../errors.ts'
import { translateError } from './translate-error.ts'

/**
 * Takes a connection out of a pool.
 * @param limitMs how long to wait for one, in milliseconds
 * @throws {ClusterError} CW_POOL_TIMEOUT, CW_CONNECTION, CW_NO_PRIMARY
 */
export async function checkOut(pool: pg.Pool, limitMs: number): Promise<pg.PoolClient> {
  const waiting = pool.connect()
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    // A connection that comes after all must go back.
    waiting.then(client => client.release()).catch(() => undefined)
    reject(poolTimeout(pool, limitMs))
  }, limitMs + 100)
  try {
    const client = await Promise.race([waiting, late])
    // In a pool of the application's own, a connection that breaks while we hold it must not end the process.
    if (!client.listeners('error').includes(ignore)) client.on('error', ignore)
    return client
  } catch (error) {
    throw isPoolTimeout(error) ? poolTimeout(pool, limitMs) : translateError(error)
  } finally {
    clearTimeout(timer)
  }
}

function ignore(): void {
  // The query in flight gets the error.
}

/** The pool's own limit, for which it has no code. */
function isPoolTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect'
}

function poolTimeout(pool: pg.Pool, limitMs: number): ClusterError {
  return new ClusterError(
    'CW_POOL_TIMEOUT',
    `expected one of the pool's ${pool.options.max} connections to become free within ${limitMs} ms; ` +
      'when you hold a connection yourself, hand it over as { transaction: client }',
  )
}
