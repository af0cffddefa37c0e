-- Components, their versions and the files of each version. docs/components.md has the picture.

create table setting (
  name text primary key,
  value jsonb not null,
  changed_at timestamptz not null default now()
);
comment on table setting is 'What holds for the whole cluster and can be changed while it runs.';

create table component (
  id integer generated always as identity primary key,
  name text not null unique check (length(name) between 1 and 100),
  source_type text not null,
  definition jsonb not null,
  paused boolean not null default false,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);
comment on table component is 'Something that is deployed: where its versions come from, and how long they are kept.';

create table version_check (
  component_id integer primary key references component on delete cascade,
  asked bigint not null default 0,
  answered bigint not null default 0,
  checks bigint not null default 0,
  began_at timestamptz,
  ended_at timestamptz,
  node text,
  jitter real not null default random() * 0.1,
  failures integer not null default 0,
  error jsonb
);
comment on table version_check is 'How the last check of a component for new versions went. Each time somebody asks for one, asked counts up; a check answers all that were asked before it began.';

create view check_schedule as
select c.id as component_id, not c.paused and v.asked > v.answered as is_asked,
  case when not c.paused and pace.ms is not null then coalesce(
    v.ended_at + make_interval(secs => (1 + v.jitter) / 1000
      * least(pace.ms * 2 ^ least(v.failures, 20), greatest(pace.ms, 3600000))),
    c.created_at) end as due_at
from component c
join version_check v on v.component_id = c.id
cross join lateral (
  select case c.definition ->> 'checkInterval' when 'never' then null else coalesce(
    (c.definition ->> 'checkInterval')::float8,
    (select (value #>> '{}')::float8 from setting where name = 'checkInterval'),
    60000) end as ms
) as pace;
comment on view check_schedule is 'When each component is checked next, by the intervals that hold now; null when only somebody asks. After failures less and less often, at the least once an hour.';

create table version (
  id bigint generated always as identity primary key,
  component_id integer not null references component on delete cascade,
  name text not null check (length(name) between 1 and 200),
  ref jsonb not null,
  found_at timestamptz not null default now(),
  announced_at timestamptz,
  unique (component_id, name)
);
comment on table version is 'A version that a source has shown. It stays when its files are removed, so that nobody finds it anew. announced_at: when its first publication started the processes that wait for new versions.';

create table wanted_import (
  version_id bigint primary key references version on delete cascade,
  next_at timestamptz not null default now(),
  failures integer not null default 0
);
comment on table wanted_import is 'Versions that some server is to import. A publication takes the row away.';
create index wanted_import_due on wanted_import (next_at);

create table import_attempt (
  token uuid primary key,
  version_id bigint not null references version on delete cascade,
  node text not null,
  began_at timestamptz not null default now(),
  ended_at timestamptz,
  outcome text check (outcome in ('published', 'failed', 'lost')),
  error jsonb,
  files bigint not null default 0,
  bytes bigint not null default 0,
  swept boolean not null default false,
  check ((ended_at is null) = (outcome is null))
);
comment on table import_attempt is 'Each try to import a version. The token names what it writes into the store, and never comes back.';
create unique index import_attempt_open on import_attempt (version_id) where ended_at is null;
create index import_attempt_version on import_attempt (version_id, began_at desc);
create index import_attempt_unswept on import_attempt (ended_at) where not swept;

create table import_log (
  component_id integer not null references component on delete cascade,
  seq bigint generated always as identity,
  token uuid not null,
  at timestamptz not null default clock_timestamp(),
  text text not null,
  primary key (component_id, seq)
);
comment on table import_log is 'What imports and checks said, the newest lines of each component.';

create table object (
  hash bytea primary key check (length(hash) = 32),
  token uuid not null,
  size bigint not null
);
comment on table object is 'Each content once: its SHA-256, and the attempt whose copy the store keeps.';
create index object_token on object (token, hash);

create table publication (
  version_id bigint primary key references version on delete cascade,
  token uuid not null unique,
  base bigint references publication,
  files bigint not null,
  bytes bigint not null,
  published_at timestamptz not null default now()
);
comment on table publication is 'A version whose files are in the store. One row per version, for ever once; retention removes it.';
create index publication_base on publication (base) where base is not null;

create table version_file (
  version_id bigint not null references publication on delete cascade,
  path text not null,
  hash bytea not null references object,
  executable boolean not null,
  modified_at timestamptz,
  primary key (version_id, path)
);
comment on table version_file is 'The files of a published version. An incremental one has those only in which it differs from its base.';
create index version_file_hash on version_file (hash);

create table doomed_object (
  token uuid not null,
  hash bytea not null,
  primary key (token, hash)
);
comment on table doomed_object is 'Objects that no version has any more, and that the sweep takes out of the store.';

create table version_status (
  version_id bigint not null references version on delete cascade,
  status text not null check (length(status) between 1 and 60),
  set_by text not null,
  set_at timestamptz not null default now(),
  primary key (version_id, status)
);
comment on table version_status is 'What people and processes say of a version: passed-qa. Gates ask for it.';

create table version_use (
  request_id bigint not null,
  component_id integer not null references component on delete cascade,
  spec text not null,
  version_id bigint not null references version on delete cascade,
  primary key (request_id, component_id, spec)
);
comment on table version_use is 'Which version a run took for what it asked for. While the run goes on, the version is kept.';
create index version_use_version on version_use (version_id);

create table inventory (
  id bigint generated always as identity primary key,
  target text not null check (length(target) between 1 and 200),
  component_id integer not null references component on delete cascade,
  version_id bigint not null references version,
  request_id bigint,
  at timestamptz not null default now(),
  undone_at timestamptz
);
comment on table inventory is 'Which version was put where by which request. The newest line of a target and component that was not undone is what is there now.';
create index inventory_target on inventory (target, component_id, id desc) where undone_at is null;
create index inventory_request on inventory (request_id) where undone_at is null;
create index inventory_version on inventory (version_id);
