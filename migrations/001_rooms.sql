-- Runs with the schema of this installation alone on the search path, so every name is relative to it.
-- The rooms: where a request is, is which table holds its row. A move deletes from one and inserts
-- into the next in one statement. docs/architecture.md has the picture.

create table node (
  seq integer generated always as identity primary key,
  id text not null unique,
  first_seen_at timestamptz not null default now()
);
comment on table node is 'One server, known by its node id. seq is the key of its identity lock.';

create table incarnation (
  id bigint generated always as identity primary key,
  node text not null references node (id),
  state text not null default 'alive' check (state in ('alive', 'left', 'lost')),
  version text not null,
  host text not null,
  pid integer not null,
  concurrency integer not null,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  check ((state = 'alive') = (ended_at is null))
);
comment on table incarnation is 'One life of a node. Every claim and finish share-locks its row, so that after it ended nothing more can happen in its name.';
create index incarnation_alive on incarnation (node) where state = 'alive';
create index incarnation_node on incarnation (node, id desc);

create table process (
  name text not null,
  version text not null,
  description text,
  input_schema jsonb,
  steps jsonb not null,
  published_by text not null references node (id),
  published_at timestamptz not null default now(),
  primary key (name, version)
);
comment on table process is 'The definitions that servers have published.';

create table lane (
  id integer generated always as identity primary key,
  process text not null unique,
  published boolean not null default false
);
comment on table lane is 'The routing key of a request. A node serves a set of lanes.';

create sequence request_id;

create table request (
  id bigint primary key,
  lane integer not null,
  priority smallint not null,
  enqueued_at timestamptz not null default clock_timestamp(),
  run_at timestamptz,
  idempotency_key text,
  input jsonb not null
);
comment on table request is 'The record of what was asked for: written once, never updated.';
create unique index request_idempotency_key on request (lane, idempotency_key)
  where idempotency_key is not null;

create table scheduled (
  id bigint primary key,
  run_at timestamptz not null,
  lane integer not null,
  priority smallint not null,
  input jsonb
);
comment on table scheduled is 'Room: requests whose time has not come.';
create index scheduled_due on scheduled (run_at);

create table queue (
  id bigint not null,
  lane integer not null,
  priority smallint not null,
  input jsonb
);
comment on table queue is 'Room: requests that any server may claim. A large input is null here and read from the record.';
create unique index queue_claim_order on queue (lane, priority desc, id);
alter table queue replica identity using index queue_claim_order;

create table running (
  id bigint primary key,
  incarnation bigint not null,
  token uuid not null,
  started_at timestamptz not null default clock_timestamp(),
  cancel_requested_at timestamptz
);
comment on table running is 'Room: claimed requests. The token is made by the claiming server before it asks.';
create index running_cancel_requested on running (incarnation) where cancel_requested_at is not null;

create table finished (
  id bigint primary key,
  outcome text not null check (outcome in ('succeeded', 'failed', 'cancelled')),
  reason text,
  error jsonb,
  result jsonb,
  incarnation bigint,
  started_at timestamptz,
  finished_at timestamptz not null default clock_timestamp(),
  check ((outcome = 'failed') <= (reason is not null))
);
comment on table finished is 'Room: what became of each request. Rows are never changed.';
create index finished_age on finished using brin (finished_at);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'a finished request never changes (request %)', old.id using errcode = 'CW004';
end $$;
create trigger finished_never_changes before update on finished
  for each row execute function refuse_change();

create table step (
  request_id bigint not null,
  phase text not null check (phase in ('step', 'undo', 'on_failure')),
  position smallint not null,
  attempt smallint not null default 1,
  name text not null,
  kind text not null,
  state text not null check (state in ('running', 'succeeded', 'failed', 'skipped', 'cancelled')),
  started_at timestamptz,
  finished_at timestamptz,
  exit_code integer,
  error jsonb,
  output jsonb,
  primary key (request_id, phase, position, attempt)
);
comment on table step is 'What each step of a run did. An undo has the position of the step that it takes back.';

create table log (
  request_id bigint not null,
  seq integer not null,
  step text,
  stream text not null check (stream in ('stdout', 'stderr', 'log', 'system')),
  at timestamptz not null default clock_timestamp(),
  text text not null,
  primary key (request_id, seq)
);
comment on table log is 'Pieces of output in order. A piece holds any number of lines, or part of one.';
