-- What a lost server had done is undone by a compensation: a request of the same process that names the lost one.

alter table request add column compensates bigint;
comment on column request.compensates is 'The lost request whose finished steps this one undoes; null for what was asked for.';
create unique index request_compensates on request (compensates) where compensates is not null;

alter table incarnation add column on_failure_steps jsonb not null default '{}';
comment on column incarnation.on_failure_steps is 'How many on-failure steps the processes of this server have, by lane; lanes without any are left out.';

alter table step add column undo_once text check (undo_once in ('begun', 'finished'));
comment on column step.undo_once is 'From when on the step''s undo has to run when the process fails; null when it has none.';

create or replace view request_status as
select r.id, lane.process, room.state, room.outcome, room.reason, i.node, room.incarnation,
  r.priority, r.idempotency_key, r.enqueued_at, r.run_at, room.started_at, room.finished_at,
  room.cancel_requested_at, r.input, room.result, room.error,
  r.compensates, (select c.id from request c where c.compensates = r.id) as compensated_by
from request r
join lane on lane.id = r.lane
left join lateral (
  select 'finished' as state, f.outcome, f.reason, f.incarnation, f.started_at, f.finished_at,
    null::timestamptz as cancel_requested_at, f.result, f.error
  from finished f where f.id = r.id
  union all
  select 'running', null, null, g.incarnation, g.started_at, null, g.cancel_requested_at, null, null
  from running g where g.id = r.id
  union all
  select 'queued', null, null, null, null, null, null, null, null
  from queue q where q.lane = r.lane and q.priority = r.priority and q.id = r.id
  union all
  select 'scheduled', null, null, null, null, null, null, null, null
  from scheduled s where s.id = r.id
) room on true
left join incarnation i on i.id = room.incarnation;
