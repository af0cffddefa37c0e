import pg from 'pg'

/** A pool for the benchmark's own statements. A session that ends with its database must not end the run. */
export function openPool(url: string, max = 1): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max })
  pool.on('error', () => undefined)
  return pool
}
