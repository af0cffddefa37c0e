import type { StepRecord } from '../base/record.ts'
import { arrayLiteral } from './array-literal.ts'
import type { Database } from './database.ts'

/**
 * Writes step records of any number of runs in one statement. Repeating it changes nothing more. Records are
 * written only while the incarnation is alive and the run is still its own: what a lost server's run did after
 * it was declared lost does not change the history. No two writers ever write one run's steps but declareLost,
 * which locks the incarnation's row first, as this statement does.
 *
 * The full join is never a loop over both sides, whatever PostgreSQL believes of `running`; see `finish`.
 *
 * Times are the run's start by the database's clock plus what the server's monotonic clock measured since.
 */
export async function writeSteps(
  db: Database,
  incarnation: string,
  records: readonly StepRecord[],
): Promise<void> {
  const { t } = db
  await db.query({
    name: `${db.schema}.write_steps`,
    text: `
      with me as materialized (
        select id from ${t.incarnation} where id = $1 and state = 'alive' for share
      ), held as (
        select running.id, running.started_at
        from ${t.running} as running join me on running.incarnation = me.id
        where running.id = any ($2::bigint[])
      )
      insert into ${t.stepRecord}
        (request_id, phase, position, name, kind, state, undo_once,
          started_at, finished_at, exit_code, error, output)
      select r.request_id, r.phase, r.position, r.name, r.kind, r.state, r.undo_once,
        held.started_at + r.started_ms * interval '1 ms',
        held.started_at + r.finished_ms * interval '1 ms',
        r.exit_code, r.error::jsonb, r.output::jsonb
      from held full join unnest($2::bigint[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[],
          $8::float8[], $9::float8[], $10::integer[], $11::text[], $12::text[], $13::text[])
        as r (request_id, phase, position, name, kind, state, started_ms, finished_ms, exit_code, error, output, undo_once)
        on held.id = r.request_id
      where coalesce(held.id, 0) > 0
      on conflict (request_id, phase, position, attempt) do update
        set state = excluded.state, started_at = excluded.started_at, finished_at = excluded.finished_at,
          exit_code = excluded.exit_code, error = excluded.error, output = excluded.output
        where excluded.state <> 'running'`,
    values: [
      incarnation,
      arrayLiteral(records, record => record.requestId),
      arrayLiteral(records, record => record.phase),
      arrayLiteral(records, record => record.position),
      arrayLiteral(records, record => record.name),
      arrayLiteral(records, record => record.kind),
      arrayLiteral(records, record => record.state),
      arrayLiteral(records, record => record.startedMs),
      arrayLiteral(records, record => record.finishedMs),
      arrayLiteral(records, record => record.exitCode),
      arrayLiteral(records, record => record.error),
      arrayLiteral(records, record => record.output),
      arrayLiteral(records, record => record.undoOnce),
    ],
  })
}
