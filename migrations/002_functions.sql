-- What applications call, from any language. Each function pins the search path to this schema.

create function enqueue_batch(
  processes text[],
  inputs text[],
  priorities integer[],
  run_ats timestamptz[],
  keys text[],
  allow_unknown boolean default false
) returns table (request_id bigint, created boolean)
language plpgsql set search_path from current as $$
declare
  unknown text;
  ids bigint[];
  made integer;
  answers bigint[];
  missing bigint[];
  clash integer;
  n integer := cardinality(processes);
begin
  if (cardinality(inputs), cardinality(priorities), cardinality(run_ats), cardinality(keys)) is distinct from (n, n, n, n)
    or array_position(processes, null) is not null
    or array_position(inputs, null) is not null
    or array_position(priorities, null) is not null
    or exists (select from unnest(run_ats) as m (moment) where not isfinite(m.moment)) then
    raise exception 'expected five arrays of one length, with nulls in run_ats and keys only, and finite moments'
      using errcode = 'CW003', detail = 'processes';
  end if;

  select p.name into unknown
  from unnest(processes) as p (name)
  where not exists (select from lane where lane.process = p.name and lane.published)
  limit 1;
  if unknown is not null then
    if not allow_unknown then
      raise exception 'no server has published a process named ''%''', unknown
        using errcode = 'CW001', detail = unknown,
        hint = 'Start a server that knows it, or allow unknown processes.';
    end if;
    insert into lane (process)
    select distinct p.name from unnest(processes) as p (name) order by 1
    on conflict do nothing;
  end if;

  if array_remove(keys, null) = '{}' and array_remove(run_ats, null) = '{}' then
    -- Nothing can stand in the way of a row, and each goes straight to the queue: the way of most requests, made short.
    return query
      with given as materialized (
        select g.id, lane.id as lane, g.priority::smallint, g.input::jsonb as input,
          octet_length(g.input) <= 4000 as is_small
        from (
          select nextval('request_id') as id, u.process, u.input, u.priority
          from unnest(processes, inputs, priorities) as u (process, input, priority)
        ) as g
        join lane on lane.process = g.process
        -- Or a join may turn them round, and indexes that grow at their end from there are half empty.
        order by g.id
      ), recorded as (
        insert into request (id, lane, priority, input)
        select g.id, g.lane, g.priority, g.input from given g
      ), ready as (
        insert into queue (id, lane, priority, input)
        select g.id, g.lane, g.priority, case when g.is_small then g.input end from given g
      )
      select g.id, true from given g order by g.id;
    return;
  end if;

  select array_agg(nextval('request_id')) into ids from generate_subscripts(processes, 1);

  -- A request whose key stopped an insert may be purged before it is looked up: then the key is free again, and the
  -- next round inserts what is missing.
  for round in 1 .. 3 loop
    -- In the order of their keys, so that two batches with the same keys wait for each other in one order.
    with given as materialized (
      select g.id, lane.id as lane, g.priority::smallint, g.run_at, g.key, g.input::jsonb as input,
        case when octet_length(g.input) <= 4000 then g.input::jsonb end as small_input
      from unnest(ids, processes, inputs, priorities, run_ats, keys)
        as g (id, process, input, priority, run_at, key)
      join lane on lane.process = g.process
      where missing is null or g.id = any (missing)
    ), recorded as (
      insert into request (id, lane, priority, run_at, idempotency_key, input)
      select g.id, g.lane, g.priority, g.run_at, g.key, g.input
      from given g order by g.lane, g.key, g.id
      on conflict (lane, idempotency_key) where idempotency_key is not null do nothing
      returning id
    ), delayed as (
      insert into scheduled (id, run_at, lane, priority, input)
      select g.id, g.run_at, g.lane, g.priority, g.small_input
      from given g join recorded using (id)
      where g.run_at > clock_timestamp()
      returning id
    ), ready as (
      insert into queue (id, lane, priority, input)
      select g.id, g.lane, g.priority, g.small_input
      from given g join recorded using (id)
      where not exists (select from delayed where delayed.id = g.id)
    )
    select count(*) into made from recorded;

    if made = cardinality(ids) then
      return query select g.id, true from unnest(ids) with ordinality as g (id, n) order by g.n;
      return;
    end if;

    -- Some keys were used before. A statement of its own sees what the insert waited for.
    select
      array_agg(case when g.key is null then g.id else r.id end order by g.n),
      array_agg(g.id) filter (where g.key is not null and r.id is null),
      min(g.n) filter (where r.id <> g.id and r.input <> g.input::jsonb)
    into answers, missing, clash
    from unnest(ids, processes, inputs, keys) with ordinality as g (id, process, input, key, n)
    join lane on lane.process = g.process
    left join request r on r.lane = lane.id and r.idempotency_key = g.key;
    if clash is not null then
      raise exception 'the idempotency key ''%'' was used before for process ''%'' with another input', keys[clash], processes[clash]
        using errcode = 'CW002', detail = keys[clash],
        hint = 'Use one key for one request, or the same input again.';
    end if;
    if missing is null then
      return query
        select a.id, a.id = a.own_id from unnest(answers, ids) with ordinality as a (id, own_id, n) order by a.n;
      return;
    end if;
  end loop;
  raise exception 'the requests that have the idempotency keys of this batch were removed again and again'
    using errcode = '40001', hint = 'Enqueue the batch again.';
end $$;
comment on function enqueue_batch is 'Enqueues any number of requests in one statement; answers in the order given. For an idempotency key that was used before it gives the request that has it.';

create function enqueue(process text, input jsonb default '{}', options jsonb default '{}')
returns bigint
language plpgsql set search_path from current as $$
declare
  wrong text;
  wanted_priority numeric;
  wanted_run_at timestamptz;
  answer bigint;
begin
  if process is null or input is null or jsonb_typeof(options) <> 'object' then
    raise exception 'expected process and input not to be null, and options to be an object' using errcode = 'CW003',
      detail = case when process is null then 'process' when input is null then 'input' else 'options' end;
  end if;
  select o.key into wrong from jsonb_object_keys(options) as o (key)
  where o.key not in ('priority', 'runAt', 'idempotencyKey', 'allowUnknown') limit 1;
  if wrong is not null then
    raise exception 'unknown option ''%''', wrong using errcode = 'CW003', detail = wrong,
      hint = 'Known options are priority, runAt, idempotencyKey and allowUnknown.';
  end if;
  begin
    wrong := 'priority';
    wanted_priority := coalesce((options ->> 'priority')::numeric, 0);
    wrong := 'runAt';
    wanted_run_at := options ->> 'runAt';
    wrong := case
      when jsonb_typeof(options -> 'priority') not in ('number', 'null')
        or wanted_priority not between -32768 and 32767 or wanted_priority % 1 <> 0 then 'priority'
      when jsonb_typeof(options -> 'runAt') not in ('string', 'null') or not isfinite(wanted_run_at) then 'runAt'
      when jsonb_typeof(options -> 'idempotencyKey') not in ('string', 'null')
        or char_length(options ->> 'idempotencyKey') not between 1 and 255 then 'idempotencyKey'
      when jsonb_typeof(options -> 'allowUnknown') not in ('boolean', 'null') then 'allowUnknown'
    end;
  exception when data_exception then
    -- What cannot be cast is wrong, too.
  end;
  if wrong is not null then
    raise exception 'expected % to be %, got %', wrong,
      case wrong
        when 'priority' then 'an integer from -32768 to 32767'
        when 'runAt' then 'a moment such as 2030-01-31T06:00:00Z'
        when 'idempotencyKey' then 'text of 1 to 255 characters'
        when 'allowUnknown' then 'true or false'
      end,
      left((options -> wrong)::text, 60)
      using errcode = 'CW003', detail = wrong;
  end if;
  select e.request_id into answer
  from enqueue_batch(
    array[process], array[input::text], array[wanted_priority::integer],
    array[wanted_run_at], array[options ->> 'idempotencyKey'],
    coalesce((options ->> 'allowUnknown')::boolean, false)
  ) as e;
  return answer;
end $$;
comment on function enqueue(text, jsonb, jsonb) is 'Enqueues one request in the caller''s transaction and returns its id. Options: priority (higher first), runAt, idempotencyKey, allowUnknown.';

create function cancel(wanted bigint) returns text
language plpgsql set search_path from current as $$
begin
  -- In the order in which a request moves, each statement with a snapshot of its own: a request that
  -- moves on between two statements is found in the next room.
  with gone as (delete from scheduled where id = wanted returning id)
  insert into finished (id, outcome) select gone.id, 'cancelled' from gone;
  if found then return 'cancelled'; end if;

  with gone as (
    delete from queue q using request r
    where r.id = wanted and q.lane = r.lane and q.priority = r.priority and q.id = r.id
    returning q.id
  )
  insert into finished (id, outcome) select gone.id, 'cancelled' from gone;
  if found then return 'cancelled'; end if;

  update running set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
  where id = wanted;
  if found then
    perform pg_notify(current_schema() || '_wake', 'cancel');
    return 'requested';
  end if;

  if exists (select from finished where id = wanted) then return 'finished'; end if;
  return null;
end $$;
comment on function cancel(bigint) is 'Cancels a waiting request (cancelled), asks the server of a running one to stop it (requested), says that it has finished (finished), or null for an unknown id.';

create view request_status as
select r.id, lane.process, room.state, room.outcome, room.reason, i.node, room.incarnation,
  r.priority, r.idempotency_key, r.enqueued_at, r.run_at, room.started_at, room.finished_at,
  room.cancel_requested_at, r.input, room.result, room.error
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
comment on view request_status is 'All rooms as one table.';
