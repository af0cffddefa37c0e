-- What servers call to claim, to finish and to promote; lib/db/claim.ts, finish.ts and promote.ts say what they promise.
--
-- They are functions for their settings, which hold for nothing else. By itself PostgreSQL plans a statement by how many rows
-- there were when it last looked, and where those were few it reads all of them. After a burst of 100,000 requests it would
-- sort the whole queue for each claim: ten slots start a hundred a second then, instead of ten thousand. With an index
-- each statement has one good plan, which is the same for ten rows and for a million.

create function claim(
  claimer bigint,
  served_lanes integer[],
  most integer,
  claim_token uuid,
  after_ranks integer[],
  after_ids bigint[]
) returns table (id bigint, lane integer, rank integer, input jsonb)
language plpgsql
set search_path from current
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
  parts integer[] := array[most];
  waiting bigint;
  places tid[];
begin
  -- With several lanes, a look without locks tells how many of the next requests are in which of them. `near` are a few of each
  -- lane, `last` is a place before which there are enough, and so `next` need not look beyond it. The lanes in which
  -- there are none come last: they are reached only when somebody else holds rows of the others.
  if cardinality(served_lanes) <> 1 then
    with served as materialized (
      select * from unnest(served_lanes, after_ranks, after_ids) as s (lane, rank, id)
    ), near as materialized (
      select first.rank, first.id
      from served cross join lateral (
        select -priority::integer as rank, id from queue
        where lane = served.lane and (-priority::integer, id) > (served.rank, served.id)
        order by -priority::integer, id limit 1 + 2 * most / greatest(cardinality(served_lanes), 1)
      ) as first
    ), last as materialized (
      (select rank, id from near order by rank, id offset most - 1 limit 1)
      union all
      select 40000, 0
      order by rank, id limit 1
    ), next as materialized (
      select lane, count(*)::integer as part
      from (
        select served.lane
        from last, served cross join lateral (
          select -priority::integer as rank, id from queue
          where lane = served.lane
            and (-priority::integer, id) > (served.rank, served.id)
            and (-priority::integer, id) <= (last.rank, last.id)
          order by -priority::integer, id limit most
        ) as first
        where exists (select from near)
        order by first.rank, first.id limit most
      ) as first_of_all
      group by lane
    )
    select array_agg(lane), array_agg(rank), array_agg(id), array_agg(coalesce(part, most)), sum(part)
    into served_lanes, after_ranks, after_ids, parts, waiting
    from (select * from served left join next using (lane) order by part is null) as in_turn;
    if waiting is null then
      return;
    end if;
  end if;

  select array_agg(place) into places
  from (
    select locked.place
    from unnest(served_lanes, after_ranks, after_ids, parts) as wanted (lane, rank, id, part)
    cross join lateral (
      select ctid as place from queue
      where lane = wanted.lane and (-priority::integer, id) > (wanted.rank, wanted.id)
      order by -priority::integer, id limit wanted.part
      for update skip locked
    ) as locked
    limit most
  ) as taken;
  -- Most claims find nothing. They lock nothing, and write nothing.
  if places is null then
    return;
  end if;

  perform from incarnation where id = claimer and state = 'alive' and accepting for share;
  if not found then
    return;
  end if;

  return query
    with claimed as (
      delete from queue where ctid = any (places)
      returning id, lane, priority, input
    ), started as (
      insert into running (id, incarnation, token)
      select id, claimer, claim_token from claimed order by id
    )
    select id, lane, -priority::integer, input from claimed order by -priority::integer, id;
end $$;
comment on function claim is
  'For servers only. Moves the next requests from queue to running, for an incarnation that is alive and accepts.';

create function finish(
  finisher bigint,
  ids bigint[],
  groups bigint[],
  errors text[],
  results text[],
  started_ms float8[],
  took_ms real[],
  step_errors text[],
  outputs text[],
  group_tokens uuid[],
  outcomes text[],
  reasons text[],
  positions smallint[],
  names text[],
  kinds text[],
  states text[],
  exit_codes integer[]
) returns integer
language plpgsql
set search_path from current
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  moved integer;
begin
  with me as materialized (
    select id from incarnation where id = finisher and state = 'alive' for share
  ), gone as (
    delete from running as r
    using me
    where r.id = any (ids) and r.token = any (group_tokens) and r.incarnation = me.id
    returning r.id, r.token, r.started_at
  ), run as (
    select * from unnest(ids, groups, errors, results, started_ms, took_ms, step_errors, outputs)
      as r (id, group_number, error, result, started_ms, took_ms, step_error, output)
  ), common as (
    select * from unnest(group_tokens, outcomes, reasons, positions, names, kinds, states, exit_codes)
      with ordinality as c (token, outcome, reason, position, name, kind, state, exit_code, group_number)
  )
  -- With coalesce() PostgreSQL does not see that the full join is none: that is never planned as a loop in a loop.
  insert into finished (id, outcome, reason, error, result, incarnation, started_at,
    last_position, last_name, last_kind, last_state, last_started_ms, last_took_ms, last_exit_code, last_error, last_output)
  select id, outcome, reason, error::jsonb, result::jsonb, finisher, started_at,
    position, name, kind, state, started_ms, took_ms, exit_code, step_error::jsonb, output::jsonb
  from gone full join (run full join common using (group_number)) using (id, token)
  where coalesce(gone.id, 0) > 0;
  get diagnostics moved = row_count;
  return moved;
end $$;
comment on function finish is
  'For servers only. Moves runs from running to finished, those that have their token and whose incarnation is alive.';

create function promote(most integer) returns table (moved integer, next_in_ms float8)
language plpgsql
set search_path from current
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
begin
  with due as materialized (
    select id from scheduled
    -- The clock of the statement, because an index cannot be asked for what is before a moment that moves.
    where run_at <= statement_timestamp()
    order by run_at, id limit most
    for update skip locked
  ), gone as (
    delete from scheduled where id = any (array(select id from due))
    returning id, lane, priority, input
  )
  insert into queue (id, lane, priority, input)
  select id, lane, priority, input from gone order by id;
  get diagnostics moved = row_count;
  select extract(epoch from min(run_at) - clock_timestamp()) * 1000 into next_in_ms
  from scheduled where run_at > statement_timestamp();
  return next;
end $$;
comment on function promote is 'For servers only. Moves scheduled requests whose time has come to the queue, and tells when the next is due.';
