import type pg from 'pg'
import { setTimeout as delay } from 'node:timers/promises'
import { ClusterError, messageOf } from '../errors.ts'
import type { Database, Queryable } from './database.ts'
import { tryLock, type LockKind } from './locks.ts'
import { setForSession } from './set-for-session.ts'
import { isConnectionFailure, sqlStateOf, translateError } from './translate-error.ts'

/** PostgreSQL ends a lock's session that has been silent for so many milliseconds: its server is frozen, or cut off. */
const endMs = 10_000

/** How often a session shows that it is there, and how long it waits for an answer, in milliseconds. */
const beatMs = 2500
const answerMs = 5000

/** How long one statement may take that is not a beat, in milliseconds: a publication may have many files. */
const statementMs = 120_000

/**
 * A connection of its own that holds advisory locks, and on which everything is written that the locks protect: when the
 * session is lost, what it had not committed is gone with it.
 */
export class LockSession implements Queryable {
  readonly #client: pg.Client
  readonly #lost = new AbortController()
  readonly #closed = new AbortController()
  #statements = 0

  static async open(db: Database, name: string): Promise<LockSession> {
    const settings = {
      idle_session_timeout: endMs,
      idle_in_transaction_session_timeout: endMs,
      tcp_keepalives_idle: 1,
      tcp_keepalives_interval: 1,
      tcp_keepalives_count: 5,
    }
    const client = await db.connectAlone({
      application_name: `cluster-worker ${name}`.slice(0, 63),
      query_timeout: statementMs,
    })
    await setForSession(client, settings)
    return new LockSession(client)
  }

  private constructor(client: pg.Client) {
    this.#client = client
    client.on('error', error => this.#lose(error))
    client.on('end', () => this.#lose(new Error('the connection ended')))
    void this.#beat()
  }

  /** Aborted with a ClusterError CW_CONNECTION when the session, and every lock of it, is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** False when another session has the lock. */
  tryLock(db: Database, kind: LockKind, number: string): Promise<boolean> {
    return tryLock(this, db.t, kind, number)
  }

  async query<Row extends pg.QueryResultRow>(
    statement: pg.QueryConfig,
  ): Promise<pg.QueryResult<Row>> {
    this.#lost.signal.throwIfAborted()
    this.#statements += 1
    try {
      return await this.#client.query<Row>(statement)
    } catch (error) {
      // A client whose query has run out of time would answer the next one with what belongs to this one.
      if (sqlStateOf(error) === undefined || isConnectionFailure(error)) this.#lose(error)
      throw translateError(error)
    } finally {
      this.#statements -= 1
    }
  }

  /** Runs `work` in one transaction of this session; nothing of it happens when the session is lost before its end. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query({ text: 'begin isolation level read committed' })
    try {
      const result = await work()
      await this.query({ text: 'commit' })
      return result
    } catch (error) {
      await this.query({ text: 'rollback' }).catch(() => this.#lose(error))
      throw error
    }
  }

  /** Ends the session, and with it its locks. */
  async close(): Promise<void> {
    this.#closed.abort()
    if (this.#lost.signal.aborted) return
    await endQuietly(this.#client)
  }

  async #beat(): Promise<void> {
    const { signal } = this.#closed
    try {
      while (!signal.aborted && !this.#lost.signal.aborted) {
        await delay(beatMs, undefined, { signal })
        // A session that does something is not silent, and would not answer before it has done it.
        if (this.#statements > 0) continue
        const beat = { text: '', query_timeout: answerMs }
        await this.#client.query(beat)
      }
    } catch (error) {
      if (!signal.aborted) this.#lose(error)
    }
  }

  #lose(cause: unknown): void {
    if (this.#closed.signal.aborted || this.#lost.signal.aborted) return
    this.#lost.abort(
      new ClusterError('CW_CONNECTION', `the lock was lost with its session: ${messageOf(cause)}`, {
        cause,
      }),
    )
    this.#closed.abort()
    void endQuietly(this.#client)
  }
}

async function endQuietly(client: pg.Client): Promise<void> {
  await client.end().catch(() => undefined)
}
