-- What was put where by which step, imports that are cancelled, and what is removed in groups.

alter table inventory add column step text;
comment on column inventory.step is 'The step of the request that recorded the line, and takes it back.';
alter table inventory drop constraint inventory_version_id_fkey,
  add foreign key (version_id) references version on delete cascade;
create index inventory_component on inventory (component_id);

alter table import_attempt drop constraint import_attempt_outcome_check,
  add constraint import_attempt_outcome_check check (outcome in ('published', 'failed', 'lost', 'cancelled'));
create index import_attempt_swept on import_attempt (ended_at, token) where swept;

alter table component alter column name drop not null;
comment on column component.name is 'Null when the component was removed: nobody finds it any more, and the sweep removes what it had.';

alter table publication add column id bigint generated always as identity;
alter table publication add unique (id);
comment on column publication.id is 'Never used again, also when the version is published anew.';

alter table version_file drop constraint version_file_version_id_fkey, drop constraint version_file_pkey;
alter table version_file rename column version_id to publication_id;
update version_file f set publication_id = p.id from publication p where p.version_id = f.publication_id;
alter table version_file add primary key (publication_id, path);
comment on table version_file is 'The files of a published version. An incremental one has those only in which it differs from its base. No foreign key names the publication: it goes first, so that nobody sees a part of its files, and they follow in groups.';

create table removed_publication (
  id bigint primary key
);
comment on table removed_publication is 'Publications that are gone, whose files are still to be removed.';

create function note_removed_publications() returns trigger language plpgsql set search_path from current as $$
begin
  insert into removed_publication (id) select id from gone;
  return null;
end $$;

create trigger publication_gone after delete on publication
referencing old table as gone for each statement execute function note_removed_publications();
