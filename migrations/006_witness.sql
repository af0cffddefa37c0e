create table witness (
  incarnation bigint primary key references incarnation (id),
  sessions integer not null default 1
);
comment on table witness is 'How many database sessions have proved each incarnation. A new one shows the others that a silence had an end, even when nobody saw it. Apart from incarnation, whose rows claims share-lock.';

alter table incarnation
  add lost_after_ms integer not null default 5000,
  add outage_grace_ms integer not null default 0;
comment on column incarnation.lost_after_ms is 'How long others must wait for it before they declare it lost.';
comment on column incarnation.outage_grace_ms is 'How long it may go on without proof while every database host refuses connections.';

create table era (
  started_at timestamptz not null,
  timeline integer not null,
  first_seen_at timestamptz not null default clock_timestamp(),
  primary key (started_at, timeline)
);
comment on table era is 'Each life of the database, from a start of PostgreSQL or a promotion to the next. No advisory lock outlives one.';
