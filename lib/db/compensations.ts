import type { LostRun, RecordedStep } from '../base/record.ts'
import type { Database, Queryable } from './database.ts'
import { wakeChannel } from './wake.ts'

/** Ahead of all that waits: what is half done is undone before anything new begins. */
const priority = 32_767

/**
 * How many compensations of one lost request may be lost themselves: a definition that kills whoever compensates
 * with it must not kill all servers, one after the other.
 */
const mostLost = 5

/** Larger inputs are not copied into the compensation's own record, so that 500 of them are queued at once. */
const largestCopy = 4000

/**
 * Queues a compensation for each of these runs, which the incarnation has just lost, that leaves something to undo or
 * on-failure steps to run. A run that was a compensation itself leaves what neither it nor the ones before it began.
 *
 * All that is known of a lost run was written while it ran: no step of it is recorded with an ending.
 *
 * Runs in the transaction that declares the incarnation lost. Nobody else touches these rows then: the incarnation's
 * row is locked, so its own server writes no steps any more, and the records of the runs before it never change. The
 * unique index on `compensates` would refuse a second compensation of one run.
 *
 * The queue's rows have no input: that is how a claim sees that there is more to read.
 */
export async function queueCompensations(
  session: Queryable,
  db: Database,
  incarnation: string,
  lost: readonly string[],
): Promise<void> {
  if (lost.length === 0) return
  const { t } = db
  const { rowCount } = await session.query({
    text: `
      with recursive chain (lost, id, depth) as (
        select id, id, 0 from unnest($2::bigint[]) as l (id)
        union all
        select chain.lost, r.compensates, chain.depth + 1
        from chain join ${t.request} as r on r.id = chain.id
        where r.compensates is not null
      ), recorded as materialized (
        select chain.lost, s.phase, s.position,
          s.undo_once = 'finished' and s.state = 'succeeded'
            or s.undo_once = 'begun' and s.state <> 'skipped' as is_undoable
        from chain join ${t.stepRecord} as s on s.request_id = chain.id
      ), left_over as (
        select lost, position from recorded where phase = 'step' and is_undoable
        except
        select lost, position from recorded where phase = 'undo'
      ), on_failure as (
        select lost, count(*) as begun from recorded where phase = 'on_failure' group by lost
      ), incomplete as materialized (
        select r.id, r.lane, r.input
        from unnest($2::bigint[]) as l (id)
        join ${t.request} as r using (id)
        join ${t.incarnation} as i on i.id = $1
        left join on_failure as f on f.lost = r.id
        where (
            r.id in (select lost from left_over)
            or coalesce((i.on_failure_steps ->> r.lane::text)::integer, 0) > coalesce(f.begun, 0)
          )
          and r.id not in (select lost from chain where depth >= ${mostLost})
      ), made as (
        insert into ${t.request} (id, lane, priority, input, compensates)
        select nextval(${t.requestId}), lane, ${priority},
          case when pg_column_size(input) <= ${largestCopy} then input else 'null' end, id
        from incomplete order by id
        returning id, lane, priority
      )
      insert into ${t.queue} (id, lane, priority)
      select id, lane, priority from made`,
    values: [incarnation, lost],
  })
  if (rowCount)
    await session.query({ text: `select pg_notify($1, 'queue')`, values: [wakeChannel(db)] })
}

/** What a compensation has to know of the lost request. */
export interface Compensated {
  /** The lost request's. */
  readonly input: unknown
  readonly lost: LostRun
}

/**
 * What these compensations undo, by their ids. A compensation of a lost compensation undoes the same request as that
 * one. Nobody changes any of it any more.
 */
export async function readLostRuns(
  db: Database,
  compensations: readonly string[],
): Promise<Map<string, Compensated>> {
  if (compensations.length === 0) return new Map()
  const { t } = db
  const { rows } = await db.query<LostRow>({
    text: `
      with recursive chain (compensation, id) as (
        select id, compensates from ${t.request} where id = any ($1::bigint[])
        union all
        select chain.compensation, r.compensates
        from chain join ${t.request} as r on r.id = chain.id
        where r.compensates is not null
      )
      select chain.compensation, r.id, r.input, f.error ->> 'message' as error, (
          select coalesce(json_agg(json_build_object(
            'phase', phase, 'position', position, 'name', name, 'state', state, 'undoOnce', undo_once,
            'error', error ->> 'message', 'output', output) order by phase, position), '[]')
          from ${t.stepRecord}
          where request_id in (select c.id from chain as c where c.compensation = chain.compensation)
        ) as steps
      from chain
      join ${t.request} as r on r.id = chain.id and r.compensates is null
      join ${t.finished} as f on f.id = r.id`,
    values: [compensations],
  })
  return new Map(
    rows.map(({ compensation, id, input, error, steps }) => [
      compensation,
      { input, lost: { requestId: id, error, steps } },
    ]),
  )
}

interface LostRow {
  compensation: string
  id: string
  input: unknown
  error: string
  steps: RecordedStep[]
}
