import pg from 'pg'
import { ClusterError } from '../errors.ts'
import { translateError } from './translate-error.ts'
import { tablesOf, type Tables } from './tables.ts'

/** Anything that runs a statement: a pool, or a client inside a transaction. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<pg.QueryResult<Row>>
}

export interface DatabaseOptions {
  /** A PostgreSQL URL. Either this or `pool`. */
  connectionString?: string | undefined
  /** A pool of the application's own; it stays open when we close. */
  pool?: pg.Pool | undefined
  schema: string
  /** Shown in `pg_stat_activity`. */
  applicationName: string
  /** The size of our own pool. */
  maxConnections: number
}

/** How long to wait for a connection before the caller gets an error, in milliseconds. */
const connectionTimeoutMs = 10_000

/** A client whose connection errors reach the query in flight and never crash the process. */
class QuietClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config)
    this.on('error', () => undefined)
  }
}

/** One installation: a pool, and the names of its schema. */
export class Database implements Queryable {
  readonly schema: string
  readonly t: Tables
  readonly #options: DatabaseOptions
  #ownPool: pg.Pool | undefined

  constructor(options: DatabaseOptions) {
    this.schema = options.schema
    this.t = tablesOf(options.schema)
    this.#options = options
  }

  /** The application's pool, or our own, which opens when it is first used. */
  get pool(): pg.Pool {
    return this.#options.pool ?? (this.#ownPool ??= openPool(this.#options))
  }

  /**
   * Runs one statement on a pooled connection.
   * @throws {ClusterError} CW_CONNECTION, CW_POOL_TIMEOUT, CW_NOT_MIGRATED and what the schema's functions raise
   */
  async query<Row extends pg.QueryResultRow>(
    statement: pg.QueryConfig,
  ): Promise<pg.QueryResult<Row>> {
    const client = await this.acquire()
    try {
      const result = await client.query<Row>(statement)
      client.release()
      return result
    } catch (error) {
      // A connection that answered with an SQL error is sound; any other failure leaves it in an unknown state.
      client.release(error instanceof pg.DatabaseError ? undefined : true)
      throw translateError(error)
    }
  }

  /** Runs `work` in a transaction of its own, rolled back when it rejects. */
  async transaction<T>(work: (client: Queryable) => Promise<T>): Promise<T> {
    const client = await this.acquire()
    try {
      await client.query('begin')
      const result = await work(client)
      await client.query('commit')
      client.release()
      return result
    } catch (error) {
      const sound = error instanceof pg.DatabaseError || error instanceof ClusterError
      const rolledBack =
        sound &&
        (await client.query('rollback').then(
          () => true,
          () => false,
        ))
      client.release(!rolledBack)
      throw translateError(error)
    }
  }

  /** Checks a connection out of the pool, for at most ten seconds. */
  async acquire(): Promise<pg.PoolClient> {
    const { pool } = this
    const waiting = pool.connect()
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      // A connection that comes after all must go back.
      waiting.then(client => client.release()).catch(() => undefined)
      reject(poolTimeout(pool))
    }, connectionTimeoutMs + 1000)
    try {
      return await Promise.race([waiting, late])
    } catch (error) {
      throw translateError(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Opens a connection of its own beside the pool, for what must not share one: locks that live as long
   * as their session, and LISTEN.
   */
  async connectAlone(config: pg.ClientConfig = {}): Promise<pg.Client> {
    const { pool, connectionString } = this.#options
    const client = new QuietClient({
      ...(pool ? pool.options : { connectionString }),
      connectionTimeoutMillis: connectionTimeoutMs,
      keepAlive: true,
      ...config,
    })
    try {
      await client.connect()
      return client
    } catch (error) {
      void client.end().catch(() => undefined)
      throw translateError(error)
    }
  }

  /** Closes our own pool; a later call opens it anew. */
  async close(): Promise<void> {
    const pool = this.#ownPool
    this.#ownPool = undefined
    await pool?.end()
  }
}

function openPool(options: DatabaseOptions): pg.Pool {
  try {
    const pool = new pg.Pool({
      connectionString: options.connectionString,
      application_name: options.applicationName,
      max: options.maxConnections,
      connectionTimeoutMillis: connectionTimeoutMs,
      keepAlive: true,
      allowExitOnIdle: true,
      Client: QuietClient,
    })
    pool.on('error', () => undefined)
    return pool
  } catch (error) {
    throw translateError(error)
  }
}

function poolTimeout(pool: pg.Pool): ClusterError {
  return new ClusterError(
    'CW_POOL_TIMEOUT',
    `expected one of the pool's ${pool.options.max} connections to become free within ${connectionTimeoutMs / 1000} s; ` +
      'when you hold a connection yourself, hand it over as { transaction: client }',
  )
}
