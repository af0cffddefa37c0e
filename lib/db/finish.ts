import type { Ending, StepRecord } from '../base/record.ts'
import { arrayLiteral } from './array-literal.ts'
import type { Database } from './database.ts'
import { confirmation } from './replication-warning.ts'

/** A run that has ended, with the token that proves whose it is. */
export interface Finish extends Ending {
  readonly id: string
  readonly token: string
  /** The record of its last step, of which nothing has been written yet; it becomes durable with the ending. */
  readonly lastStep?: StepRecord | undefined
}

/**
 * Moves runs from `running` to `finished`, any number in one statement, and records their last steps. Only rows that
 * still belong to this incarnation and carry the run's token are moved, and only while the incarnation is alive; what is
 * not moved here leaves no step either. Nothing else has written such a step, so that its row cannot be there yet.
 *
 * Who else may touch these rows at the same time:
 * - declareLost of this incarnation: both lock the incarnation's row first, so one of them comes first; if
 *   that is the declaration, nothing is moved here
 * - cancel: updates the running row; this statement waits for it and then moves the row all the same
 *
 * @returns the ids of the runs that this incarnation has finished, now or before; for one that is missing the
 *   incarnation was declared lost
 */
export async function finish(
  db: Database,
  incarnation: string,
  runs: readonly Finish[],
): Promise<string[]> {
  const ids = runs.map(run => run.id)
  const moved = await moveToFinished(db, incarnation, runs)
  return moved === runs.length ? ids : findFinishedByUs(db, incarnation, ids)
}

/**
 * A finish is repeated when its answer was lost; what the first one moved is found here beside what the last one did, and
 * counts when the synchronous standby has it too.
 */
async function findFinishedByUs(
  db: Database,
  incarnation: string,
  ids: string[],
): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    text: `
      with ${confirmation}
      select id from ${db.t.finished}, confirmed
      where id = any ($2::bigint[]) and incarnation = $1 and reason is distinct from 'server_lost'`,
    values: [incarnation, ids],
  })
  return rows.map(row => row.id)
}

/** How many it moved: as long as that is all of them, their ids need not be read. */
async function moveToFinished(
  db: Database,
  incarnation: string,
  runs: readonly Finish[],
): Promise<number> {
  const { t } = db
  const { rows } = await db.query<{ moved: number }>({
    name: `${db.schema}.finish`,
    text: `
      with me as materialized (
        select id from ${t.incarnation} where id = $1 and state = 'alive' for share
      ), ended as materialized (
        select *
        from unnest($2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::smallint[], $9::text[], $10::text[], $11::text[], $12::float8[], $13::float8[], $14::integer[], $15::text[], $16::text[])
          as e (id, token, outcome, reason, error, result,
            position, name, kind, state, started_ms, finished_ms, exit_code, step_error, output)
      ), gone as (
        delete from ${t.running} as r using me, ended
        where r.id = ended.id and r.token = ended.token and r.incarnation = me.id
        returning r.id, r.started_at
      ), recorded as (
        insert into ${t.step}
          (request_id, phase, position, name, kind, state, started_at, finished_at, exit_code, error, output)
        select gone.id, 'step', position, name, kind, state,
          gone.started_at + started_ms * interval '1 ms', gone.started_at + finished_ms * interval '1 ms',
          exit_code, step_error::jsonb,
          case when state = 'succeeded' then coalesce(output, result)::jsonb end
        from gone join ended using (id)
        where name is not null
      ), moved as (
        insert into ${t.finished} (id, outcome, reason, error, result, incarnation, started_at)
        select gone.id, outcome, reason, error::jsonb, result::jsonb, $1, gone.started_at
        from gone join ended using (id)
        returning 1
      )
      select count(*)::integer as moved from moved`,
    values: [
      incarnation,
      arrayLiteral(runs.map(run => run.id)),
      arrayLiteral(runs.map(run => run.token)),
      arrayLiteral(runs.map(run => run.outcome)),
      arrayLiteral(runs.map(run => run.reason)),
      arrayLiteral(runs.map(run => run.error)),
      arrayLiteral(runs.map(run => run.result)),
      arrayLiteral(runs.map(run => run.lastStep?.position)),
      arrayLiteral(runs.map(run => run.lastStep?.name)),
      arrayLiteral(runs.map(run => run.lastStep?.kind)),
      arrayLiteral(runs.map(run => run.lastStep?.state)),
      arrayLiteral(runs.map(run => run.lastStep?.startedMs)),
      arrayLiteral(runs.map(run => run.lastStep?.finishedMs)),
      arrayLiteral(runs.map(run => run.lastStep?.exitCode)),
      arrayLiteral(runs.map(run => run.lastStep?.error)),
      // Most often it is the result, which need not be sent twice.
      arrayLiteral(
        runs.map(run => (run.lastStep?.output === run.result ? null : run.lastStep?.output)),
      ),
    ],
  })
  return rows[0]?.moved ?? 0
}
