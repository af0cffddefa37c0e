-- The record of a step that nothing follows goes into the row of the run's ending. A row of its own, with its index, would
-- cost as much as the ending itself, and most runs have one step.

alter table step rename to step_record;
comment on table step_record is 'The steps of runs, but for those that are recorded with the ending of their run: read the view step.';

alter table finished
  add column last_position smallint,
  add column last_name text,
  add column last_kind text,
  add column last_state text check (last_state in ('succeeded', 'failed', 'cancelled')),
  add column last_started_ms float8,
  add column last_took_ms real,
  add column last_exit_code integer,
  add column last_error jsonb,
  add column last_output jsonb;
comment on column finished.last_name is 'The last step, when nothing was written of it before the run ended; null otherwise. The view step shows it.';
comment on column finished.last_state is 'Null when it is the outcome.';
comment on column finished.last_started_ms is 'Since started_at.';
comment on column finished.last_output is 'Null when it is the result.';

create view step as
select request_id, phase, position, attempt, name, kind, state, undo_once, started_at, finished_at, exit_code, error, output
from step_record
union all
select f.id, 'step', f.last_position, 1::smallint, f.last_name, f.last_kind, ended.state, null,
  f.started_at + f.last_started_ms * interval '1 ms',
  f.started_at + (f.last_started_ms + f.last_took_ms) * interval '1 ms',
  f.last_exit_code, f.last_error,
  case when ended.state = 'succeeded' then coalesce(f.last_output, f.result) end
from finished f
cross join lateral (select coalesce(f.last_state, f.outcome) as state) ended
where f.last_name is not null;
comment on view step is 'What each step of a run did. An undo has the position of the step that it takes back.';
