import type { FailureReason, Outcome, StepPhase, StepState } from '../base/record.ts'
import type { Database } from './database.ts'

export type RequestState = 'scheduled' | 'queued' | 'running' | 'finished'

/** Why something failed, as it is stored: a stable code, a sentence, and what else is known. */
export interface StoredError {
  code: string
  message: string
  [detail: string]: unknown
}

/** A request as the rooms tell it. */
export interface RequestSummary {
  id: string
  process: string
  state: RequestState
  /** Null until the request has finished. */
  outcome: Outcome | null
  /** Why it failed, null otherwise. */
  reason: FailureReason | null
  error: StoredError | null
  /** The server that runs or ran it, null when none has claimed it. */
  node: string | null
  incarnation: string | null
  /** Higher runs first. */
  priority: number
  idempotencyKey: string | null
  enqueuedAt: Date
  runAt: Date | null
  startedAt: Date | null
  finishedAt: Date | null
  cancelRequestedAt: Date | null
  /** The lost request whose finished steps this one undoes, null for what was asked for. */
  compensates: string | null
  /** The request that undoes this one, which was lost; null when there is nothing to undo. */
  compensatedBy: string | null
}

/** A step as it is stored. */
export interface StepStatus {
  name: string
  kind: string
  /** `step`, the `undo` of a step, or an `on_failure` step. */
  phase: StepPhase
  state: StepState
  startedAt: Date | null
  finishedAt: Date | null
  /** Null for a step that is no command, or did not end by itself. */
  exitCode: number | null
  error: StoredError | null
  output: unknown
}

/** Everything about one request. */
export interface RequestRecord extends RequestSummary {
  input: unknown
  /** What the last step returned, null unless the request succeeded. */
  result: unknown
  /** In the order in which they ran: the process's steps, then undos, then on-failure steps. */
  steps: StepStatus[]
  /** Which versions of components it has taken, and what it had asked for. */
  versions: TakenVersion[]
}

/** A version that a run has taken. */
export interface TakenVersion {
  component: string
  /** `^1.4`, or `latest with passed-qa`. */
  asked: string
  version: string
}

export interface ListFilter {
  process?: string | undefined
  state?: RequestState | undefined
  outcome?: Outcome | undefined
  node?: string | undefined
  /** Only requests with a smaller id than this one: the last of the page before. */
  before?: string | undefined
  limit: number
}

const summaryColumns = `id, process, state, outcome, reason, error, node, incarnation, priority,
  idempotency_key as "idempotencyKey", enqueued_at as "enqueuedAt", run_at as "runAt",
  started_at as "startedAt", finished_at as "finishedAt", cancel_requested_at as "cancelRequestedAt",
  compensates, compensated_by as "compensatedBy"`

/** Everything about one request, or undefined when there is none with this id. */
export async function getRequest(db: Database, id: string): Promise<RequestRecord | undefined> {
  const { rows } = await db.query<RequestRecord>({
    text: `select ${summaryColumns}, input, result from ${db.t.requestStatus} where id = $1`,
    values: [id],
  })
  const record = rows[0]
  if (!record) return undefined
  const steps = await db.query<StepStatus>({
    text: `
      select name, kind, phase, state, started_at as "startedAt", finished_at as "finishedAt",
        exit_code as "exitCode", error, output
      from ${db.t.step} where request_id = $1
      order by array_position(array['step', 'undo', 'on_failure'], phase),
        case when phase = 'undo' then -position else position end, attempt`,
    values: [id],
  })
  const versions = await db.query<TakenVersion>({
    text: `
      select c.name as component, u.spec as asked, v.name as version
      from ${db.t.versionUse} u join ${db.t.component} c on c.id = u.component_id
      join ${db.t.version} v on v.id = u.version_id
      where u.request_id = $1 and c.name is not null order by c.name, u.spec`,
    values: [id],
  })
  return { ...record, steps: steps.rows, versions: versions.rows }
}

/** Requests, newest first. The page is chosen on the narrow tables; only its rows are then looked up in the view. */
export async function listRequests(db: Database, filter: ListFilter): Promise<RequestSummary[]> {
  // Loaded when it is needed: programs that only enqueue never do.
  const { default: knexFactory } = await import('knex')
  const knex = knexFactory({ client: 'pg' })
  const from = (table: string): string => `${db.schema}.${table}`
  const page = knex(from('request')).select('id').orderBy('id', 'desc').limit(filter.limit)
  if (filter.before !== undefined) page.where('id', '<', filter.before)
  if (filter.process !== undefined)
    page.where('lane', knex(from('lane')).select('id').where('process', filter.process))
  if (filter.state !== undefined) page.whereIn('id', knex(from(roomOf[filter.state])).select('id'))
  if (filter.outcome !== undefined)
    page.whereIn('id', knex(from('finished')).select('id').where('outcome', filter.outcome))
  if (filter.node !== undefined) {
    const lives = knex(from('incarnation')).select('id').where('node', filter.node)
    page.where(or => {
      void or
        .whereIn('id', knex(from('running')).select('id').whereIn('incarnation', lives.clone()))
        .orWhereIn('id', knex(from('finished')).select('id').whereIn('incarnation', lives.clone()))
    })
  }
  const { sql, bindings } = knex(from('request_status'))
    .select(knex.raw(summaryColumns))
    .whereIn('id', page)
    .orderBy('id', 'desc')
    .toSQL()
    .toNative()
  const { rows } = await db.query<RequestSummary>({ text: sql, values: [...bindings] })
  return rows
}

/** Which of these requests have finished. */
export async function findFinished(db: Database, ids: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    text: `select id from ${db.t.finished} where id = any ($1::bigint[])`,
    values: [ids],
  })
  return rows.map(row => row.id)
}

/** Whether there is a request with this id. */
export async function isRequest(db: Database, id: string): Promise<boolean> {
  const { rowCount } = await db.query({
    text: `select from ${db.t.request} where id = $1`,
    values: [id],
  })
  return rowCount === 1
}

const roomOf: Record<RequestState, string> = {
  scheduled: 'scheduled',
  queued: 'queue',
  running: 'running',
  finished: 'finished',
}
