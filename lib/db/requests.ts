import type pg from 'pg'
import { showValue } from '../base/show-value.ts'
import { ClusterError } from '../errors.ts'
import { arrayLiteral } from './array-literal.ts'
import type { Database, Queryable } from './database.ts'
import { confirmation } from './replication-warning.ts'
import { statementName } from './statement-name.ts'
import { sqlStateOf, translateError } from './translate-error.ts'
import { queueHint } from './wake.ts'

/** One request as it goes to the database; everything in it has been checked. */
export interface NewRequest {
  readonly process: string
  /** JSON text. */
  readonly input: string
  readonly priority: number
  readonly runAt: Date | null
  readonly idempotencyKey: string | null
}

export interface Enqueued {
  /** The request's id: a whole number as text, because it may be larger than a JavaScript number holds. */
  readonly id: string
  /** False when an earlier request with the same idempotency key and input stands for this one. */
  readonly created: boolean
}

/**
 * A transaction of the caller's: a `pg` client that has begun one, a knex transaction, or anything with a `query(text, values)` method.
 */
export type CallerTransaction =
  | { query(text: string, values: unknown[]): PromiseLike<{ rows: unknown[] }> }
  | { raw(text: string, values: unknown[]): PromiseLike<{ rows: unknown[] }> }

/**
 * Inserts requests with one statement, in the caller's transaction when one is given.
 * @param options.hints whether servers are told as soon as it is committed; not with a caller's transaction
 * @throws {ClusterError} CW_UNKNOWN_PROCESS, CW_IDEMPOTENCY_CONFLICT
 */
export async function enqueueBatch(
  db: Database,
  requests: readonly NewRequest[],
  options: {
    allowUnknown: boolean
    transaction?: CallerTransaction | undefined
    hints?: boolean
  },
): Promise<Enqueued[]> {
  if (requests.length === 0) return []
  const values = [
    columnOf(requests.map(request => request.process)),
    columnOf(requests.map(request => request.input)),
    columnOf(requests.map(request => request.priority)),
    columnOf(requests.map(request => request.runAt?.toISOString())),
    columnOf(requests.map(request => request.idempotencyKey)),
    options.allowUnknown,
  ]
  // A request that is there already may be one whose insert no standby has confirmed.
  const hasKeys = requests.some(request => request.idempotencyKey !== null)
  const text = `
    ${hasKeys ? `with ${confirmation}` : ''}
    select request_id, created
    from ${db.t.enqueueBatch}($1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::text[], $6::boolean)
    ${hasKeys ? ', confirmed' : ''}`
  const { rows } = options.transaction
    ? await sessionOf(options.transaction).query<EnqueuedRow>({ text, values })
    : await db.query<EnqueuedRow>(
        { name: statementName('enqueue_batch', text), text, values },
        options.hints ? queueHint(db) : undefined,
      )
  return rows.map(row => ({ id: String(row.request_id), created: row.created }))
}

/** Unlike `unnest`, the function wants nulls for each row. */
function columnOf(values: readonly (string | number | null | undefined)[]): string {
  return arrayLiteral(values, value => value) ?? `{${'NULL,'.repeat(values.length - 1)}NULL}`
}

interface EnqueuedRow {
  request_id: string | number | bigint
  created: boolean
}

/**
 * The caller's transaction, to be asked like one of our own.
 * @throws {ClusterError} CW_OPTION when it is nothing that can be asked
 */
export function sessionOf(transaction: CallerTransaction): Queryable {
  const ask = askerOf(transaction)
  if (!ask)
    throw new ClusterError(
      'CW_OPTION',
      `expected transaction to be a pg client, a knex transaction or an object with query(text, values), got ${showValue(transaction)}`,
      { field: 'transaction' },
    )
  return {
    async query<Row extends pg.QueryResultRow>({ text, values = [] }: pg.QueryConfig) {
      try {
        return (await ask(text, values)) as pg.QueryResult<Row>
      } catch (error) {
        throw sqlStateOf(error) === failedTransaction ? alreadyFailed(error) : translateError(error)
      }
    },
  }
}

/** The SQLSTATE with which PostgreSQL refuses everything after an error, until the transaction is rolled back. */
const failedTransaction = '25P02'

type Ask = (text: string, values: unknown[]) => Promise<{ rows: unknown[] }>

function askerOf(transaction: unknown): Ask | undefined {
  if ((typeof transaction !== 'object' && typeof transaction !== 'function') || !transaction)
    return undefined
  if ('raw' in transaction && typeof transaction.raw === 'function')
    return askKnex(transaction.raw.bind(transaction))
  if ('query' in transaction && typeof transaction.query === 'function')
    return transaction.query.bind(transaction)
  return undefined
}

/** Our statements name their parameters once each, in their order, so that knex's form says the same. */
function askKnex(raw: (text: string, values: unknown[]) => PromiseLike<{ rows: unknown[] }>): Ask {
  return async (text, values) => {
    try {
      return await raw(text.replaceAll(/\$\d+/g, '?'), values)
    } catch (error) {
      // knex puts the statement before the message.
      const prefix = `${text} - `
      if (error instanceof Error && error.message.startsWith(prefix))
        error.message = error.message.slice(prefix.length)
      throw error
    }
  }
}

function alreadyFailed(cause: unknown): ClusterError {
  return new ClusterError(
    'CW_OPTION',
    'expected transaction to be one that can still commit, got one in which a statement has failed; roll it back and begin a new one',
    { field: 'transaction', cause },
  )
}
