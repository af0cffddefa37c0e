-- What may have to leave the store, noted when files go: to find it, nobody has to read all files of all versions.

create table loose_object (
  id bigint generated always as identity primary key,
  hash bytea not null
);
comment on table loose_object is 'Contents of files whose version has lost them. The sweep looks whether another version has them. One content may be noted any number of times, so that those who remove versions never wait for each other.';

create function note_loose_objects() returns trigger language plpgsql set search_path from current as $$
begin
  insert into loose_object (hash) select distinct hash from gone;
  return null;
end $$;

create trigger version_file_gone after delete on version_file
referencing old table as gone for each statement execute function note_loose_objects();

insert into loose_object (hash)
select hash from object o where not exists (select from version_file f where f.hash = o.hash);
