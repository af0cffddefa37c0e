import type pg from 'pg'
import type { Database, Queryable } from '../database.ts'
import { translateError } from '../translate-error.ts'
import { typeParsers } from '../type-parsers.ts'

/** How long one question may take, in milliseconds: on a database in trouble, others have better things to do. */
const statementTimeoutMs = 10_000

/** A session of its own that can look at everything and change nothing. */
export interface ReadOnlySession {
  /**
   * Runs `work` in a read-only transaction, which is always rolled back. One at a time.
   * @throws what `work` throws, translated
   */
  look<T>(work: (session: Queryable) => Promise<T>): Promise<T>
  end(): Promise<void>
}

/** @throws {ClusterError} CW_CONNECTION and what else keeps us from connecting */
export async function openReadOnly(db: Database): Promise<ReadOnlySession> {
  const client = await db.connectAlone({
    application_name: 'cluster-worker doctor',
    query_timeout: statementTimeoutMs * 2,
  })
  return {
    look: work => lookReadOnly(client, work),
    end: () => client.end().catch(() => undefined),
  }
}

async function lookReadOnly<T>(
  client: pg.Client,
  work: (session: Queryable) => Promise<T>,
): Promise<T> {
  try {
    // The limits are this transaction's own: behind a pooler the session may be somebody else's next.
    await client.query(`
      begin isolation level read committed read only;
      set local statement_timeout = ${statementTimeoutMs};
      set local lock_timeout = '1s'`)
    return await work({
      query: statement => client.query({ types: typeParsers, ...statement } as pg.QueryConfig),
    })
  } catch (error) {
    throw translateError(error)
  } finally {
    await client.query('rollback').catch(() => undefined)
  }
}
