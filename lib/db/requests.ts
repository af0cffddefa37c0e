import { ClusterError } from '../errors.ts'
import type { Database } from './database.ts'
import { translateError } from './translate-error.ts'

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
 * @throws {ClusterError} CW_UNKNOWN_PROCESS, CW_IDEMPOTENCY_CONFLICT
 */
export async function enqueueBatch(
  db: Database,
  requests: readonly NewRequest[],
  options: { allowUnknown: boolean; transaction: CallerTransaction | undefined },
): Promise<Enqueued[]> {
  if (requests.length === 0) return []
  const values = [
    requests.map(request => request.process),
    requests.map(request => request.input),
    requests.map(request => request.priority),
    requests.map(request => request.runAt),
    requests.map(request => request.idempotencyKey),
    options.allowUnknown,
  ]
  const rows = options.transaction
    ? await enqueueWithin(options.transaction, db, values)
    : (await db.query<EnqueuedRow>({ text: statement(db, dollar), values })).rows
  return rows.map(row => ({ id: String(row.request_id), created: row.created }))
}

interface EnqueuedRow {
  request_id: string | number | bigint
  created: boolean
}

const dollar = (n: number): string => `$${n}`
const questionMark = (): string => '?'

function statement(db: Database, placeholder: (n: number) => string): string {
  const [processes, inputs, priorities, runAts, keys, allowUnknown] = [1, 2, 3, 4, 5, 6].map(
    placeholder,
  )
  return `select request_id, created from ${db.t.enqueueBatch}(${processes}::text[], ${inputs}::text[], ${priorities}::integer[], ${runAts}::timestamptz[], ${keys}::text[], ${allowUnknown}::boolean)`
}

async function enqueueWithin(
  transaction: CallerTransaction,
  db: Database,
  values: unknown[],
): Promise<EnqueuedRow[]> {
  try {
    const result =
      'raw' in transaction && typeof transaction.raw === 'function'
        ? await transaction.raw(statement(db, questionMark), values)
        : await queryOf(transaction)(statement(db, dollar), values)
    return result.rows as EnqueuedRow[]
  } catch (error) {
    throw translateError(error)
  }
}

function queryOf(transaction: CallerTransaction) {
  if ('query' in transaction && typeof transaction.query === 'function')
    return transaction.query.bind(transaction)
  throw new ClusterError(
    'CW_OPTION',
    'expected transaction to be a pg client, a knex transaction or an object with query(text, values)',
    { field: 'transaction' },
  )
}
