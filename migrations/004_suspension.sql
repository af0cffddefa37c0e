-- Suspension: why a node may claim nothing, and what became of each node, and when.

alter table node add column control bigint not null default 0;
alter table node add column retired_at timestamptz;
alter table node add column retired_by text;
alter table node add check ((retired_at is null) = (retired_by is null));
comment on column node.control is 'Counts the orders that were given to the node. Whoever changes what the node may do locks this row first.';

alter table incarnation add column accepting boolean not null default true;
alter table incarnation add column control_seen bigint not null default 0;
comment on column incarnation.accepting is 'Whether it may claim: true while its node has no open suspension. Every claim share-locks the row and looks.';
comment on column incarnation.control_seen is 'The last order (node.control) that the server has carried out.';

create table suspension (
  id bigint generated always as identity primary key,
  node text not null references node (id),
  kind text not null check (kind in ('operator', 'drain', 'store', 'disk-full', 'step-runner', 'database', 'standby')),
  reason text not null default '',
  who text not null,
  at_once boolean not null default false,
  then_exit boolean not null default false,
  since timestamptz not null default clock_timestamp(),
  until timestamptz,
  deadline timestamptz,
  drained_at timestamptz,
  cleared_at timestamptz,
  cleared_by text,
  check ((cleared_at is null) = (cleared_by is null))
);
comment on table suspension is 'The reasons for which a node claims nothing. It claims again when none is left that is not cleared.';
create unique index suspension_open on suspension (node, kind, who, reason) where cleared_at is null;
create index suspension_node on suspension (node, id desc);

create table node_history (
  id bigint generated always as identity primary key,
  node text not null references node (id),
  incarnation bigint,
  at timestamptz not null default clock_timestamp(),
  state text not null check (state in
    ('joined', 'suspended', 'resumed', 'draining', 'drained', 'left', 'lost', 'fenced', 'retired')),
  reason text not null default '',
  who text not null
);
comment on table node_history is 'What became of each node, and when. Append only; old rows are removed after the retention time.';
create index node_history_node on node_history (node, id desc);
