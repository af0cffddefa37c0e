-- Incremental versions behind one whose import was cancelled wait for somebody's word.

create table import_gap (
  version_id bigint primary key references version on delete cascade
);
comment on table import_gap is 'Versions whose import was cancelled. Of an incremental component those behind it are not imported, until it is wanted again or somebody says that they are to do without it.';
