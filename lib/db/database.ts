import pg from 'pg'
import { ClusterError } from '../errors.ts'
import { checkOut } from './check-out.ts'
import { primaryClient } from './primary-client.ts'
import { hasSearched, Primary } from './primary.ts'
import { watchReplication } from './replication-warning.ts'
import type { TimelineMemory } from '../base/timeline-memory.ts'
import {
  isConnectionFailure,
  isDatabaseAway,
  sqlStateOf,
  translateError,
} from './translate-error.ts'
import { tablesOf, type Tables } from './tables.ts'
import { typeParsers } from './type-parsers.ts'

/** Anything that runs a statement: a pool, or a client inside a transaction. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<pg.QueryResult<Row>>
}

export interface DatabaseOptions {
  /** A PostgreSQL URL, which may name several hosts. Either this or `pool`. */
  connectionString?: string | undefined
  /** A pool of the application's own; it stays open when we close. */
  pool?: pg.Pool | undefined
  schema: string
  /** Shown in `pg_stat_activity`. */
  applicationName: string
  /** The size of our own pool. */
  maxConnections: number
  /** How long to wait for a connection, in milliseconds, unless the application's pool has a limit of its own. Defaults to ten seconds. */
  connectionTimeoutMs?: number
  /** Where the newest timeline is kept that was seen. Unless given, a new process knows of none. */
  timelines?: TimelineMemory | undefined
}

const defaultConnectionTimeoutMs = 10_000

/**
 * How long a connection of our own pool stays open that nobody uses, in milliseconds: longer than an idle server's longest pause
 * between two looks, because opening one costs PostgreSQL more than a hundred of them.
 */
const idleConnectionMs = 15_000

/** One installation: a pool, and the names of its schema. */
export class Database implements Queryable {
  readonly schema: string
  readonly t: Tables
  readonly #options: DatabaseOptions
  readonly #connectionTimeoutMs: number
  readonly #primary: Primary
  #ownPool: pg.Pool | undefined
  /** Whether statements keep their names, by which PostgreSQL remembers them. */
  #keepsNames = true

  constructor(options: DatabaseOptions) {
    this.schema = options.schema
    this.t = tablesOf(options.schema)
    this.#options = options
    this.#connectionTimeoutMs = options.connectionTimeoutMs ?? defaultConnectionTimeoutMs
    const url = options.connectionString ?? options.pool?.options.connectionString
    this.#primary = new Primary(url, options.timelines)
  }

  /** Which timelines were seen here; what another thread of ours has seen can be told to it. */
  get timelines(): Pick<Primary, 'learn' | 'onNewer'> {
    return this.#primary
  }

  /** The application's pool, or our own, which opens when it is first used. */
  get pool(): pg.Pool {
    return (
      this.#options.pool ??
      (this.#ownPool ??= openPool(this.#options, this.#connectionTimeoutMs, this.#primary))
    )
  }

  /**
   * Runs one statement on a pooled connection.
   * @param followUp sent right behind it, on the same connection: for what should come as soon as this is committed, and
   *   nobody waits for. It may get lost, and it may run although the statement has failed
   * @throws {ClusterError} CW_CONNECTION, CW_NO_PRIMARY, CW_POOL_TIMEOUT, CW_NOT_REPLICATED, CW_NOT_MIGRATED and what
   *   the schema's functions raise
   */
  async query<Row extends pg.QueryResultRow>(
    statement: pg.QueryConfig,
    followUp?: pg.QueryConfig,
  ): Promise<pg.QueryResult<Row>> {
    try {
      return await this.#ask<Row>(statement, followUp)
    } catch (error) {
      if (!this.#isNameLost(error) || statement.name === undefined) throw error
      return this.#ask<Row>(statement, followUp)
    }
  }

  async #ask<Row extends pg.QueryResultRow>(
    statement: pg.QueryConfig,
    followUp: pg.QueryConfig | undefined,
  ): Promise<pg.QueryResult<Row>> {
    const client = await this.acquire()
    const replication = watchReplication(client)
    const asked = client.query<Row>(this.#ownQuery(statement))
    const followed = followUp ? this.#follow(client, asked, followUp) : Promise.resolve(true)
    try {
      const result = await asked
      replication.check()
      void followed.then(isSoundStill => client.release(!isSoundStill))
      return result
    } catch (error) {
      const isSoundStill = isSound(error) && (await followed)
      // Some texts open a transaction themselves; after an error they leave it open, and broken.
      client.release(!isSoundStill || (await isInTransaction(client)))
      throw translateError(error)
    } finally {
      replication.end()
    }
  }

  /** Resolves when it was answered; gives whether the connection is sound. */
  async #follow(
    client: pg.PoolClient,
    asked: Promise<unknown>,
    followUp: pg.QueryConfig,
  ): Promise<boolean> {
    try {
      // A pool of the application's own may have connections that want one statement at a time.
      if (!client.pipeline) await asked
      await client.query(this.#ownQuery(followUp))
      return true
    } catch (error) {
      return this.#isNameLost(error) || isSound(error)
    }
  }

  #ownQuery(statement: pg.QueryConfig): pg.QueryConfig {
    if (this.#keepsNames || statement.name === undefined) return ownQuery(statement)
    const { name: _, ...unnamed } = statement
    return ownQuery(unnamed)
  }

  /**
   * Whether PostgreSQL knows a statement's name otherwise than we do, and so has done nothing: a pooler hands each
   * transaction to another session, without what programs have prepared. From then on, names are left out.
   */
  #isNameLost(error: unknown): boolean {
    const isLost = lostNameStates.has(sqlStateOf(error) ?? '')
    if (isLost) this.#keepsNames = false
    return isLost
  }

  /** Runs `work` in a transaction of its own, rolled back when it rejects. */
  async transaction<T>(work: (client: Queryable) => Promise<T>): Promise<T> {
    const client = await this.acquire()
    const replication = watchReplication(client)
    try {
      // Each statement must see what the one before it waited for.
      await client.query('begin isolation level read committed')
      const result = await work({ query: statement => client.query(ownQuery(statement)) })
      await client.query('commit')
      replication.check()
      client.release()
      return result
    } catch (error) {
      const rolledBack =
        (error instanceof ClusterError || isSound(error)) &&
        (await client.query('rollback').then(
          () => true,
          () => false,
        ))
      client.release(!rolledBack)
      throw translateError(error)
    } finally {
      replication.end()
    }
  }

  /** Checks a connection out of the pool. */
  acquire(): Promise<pg.PoolClient> {
    return this.#reach(() => this.#acquire())
  }

  /**
   * Opens a connection of its own beside the pool, for what must not share one: locks that live as long
   * as their session, and LISTEN.
   */
  connectAlone(config: pg.ClientConfig = {}): Promise<pg.Client> {
    return this.#reach(() => this.#connectAlone(config))
  }

  /**
   * Whether the failure is positive evidence, from every host, that the database is away. What one of several hosts
   * says is none: others may see the primary on another.
   */
  isAway(error: unknown): boolean {
    return isDatabaseAway(error) && (this.#primary.hosts.length === 0 || hasSearched(error))
  }

  /** Tries a second time, with a search, when the host that was remembered is the primary no longer. */
  async #reach<T>(connect: () => Promise<T>): Promise<T> {
    const wasKnown = this.#primary.isKnown
    try {
      return await connect()
    } catch (error) {
      if (!wasKnown || this.#primary.isKnown || !isConnectionFailure(error)) throw error
      return connect()
    }
  }

  #acquire(): Promise<pg.PoolClient> {
    const { pool } = this
    return checkOut(pool, pool.options.connectionTimeoutMillis || this.#connectionTimeoutMs)
  }

  async #connectAlone(config: pg.ClientConfig): Promise<pg.Client> {
    const { pool, connectionString } = this.#options
    const Client = primaryClient(this.#primary)
    const client = new Client({
      // The pool hides its password from those who print its options.
      ...(pool
        ? { ...pool.options, ...(pool.options.password && { password: pool.options.password }) }
        : { connectionString }),
      types: typeParsers,
      connectionTimeoutMillis: this.#connectionTimeoutMs,
      keepAlive: true,
      ...config,
    })
    try {
      await client.connect()
      return client
    } catch (error) {
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

/** There is no statement of this name, or there is one already. */
const lostNameStates: ReadonlySet<string> = new Set(['26000', '42P05'])

/** How long an answer may take before the connection counts as broken, in milliseconds. */
const queryTimeoutMs = 30_000

function ownQuery(statement: pg.QueryConfig): pg.QueryConfig {
  const config = { query_timeout: queryTimeoutMs, types: typeParsers, ...statement }
  return config
}

/**
 * Asked after an error. PostgreSQL sends the error first and says later how the transaction is, at the latest with the
 * next answer. An application's own, older `pg` cannot tell; then the connection is not trusted.
 */
async function isInTransaction(
  client: Queryable & Partial<Pick<pg.PoolClient, 'getTransactionStatus'>>,
): Promise<boolean> {
  return client.query(ownQuery({ text: '' })).then(
    () => client.getTransactionStatus?.() !== 'I',
    () => true,
  )
}

function openPool(
  options: DatabaseOptions,
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

/** The primary has become read-only, or this is no primary. */
const readOnlyState = '25006'

/**
 * A connection that answered with an SQL error is sound; any other failure leaves it in an unknown state. One that is
 * read-only leads to the wrong host, or soon will.
 */
function isSound(error: unknown): boolean {
  const sqlState = sqlStateOf(error)
  return sqlState !== undefined && sqlState !== readOnlyState && !isConnectionFailure(error)
}
