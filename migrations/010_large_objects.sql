-- The store in the database itself, for small set-ups: files as large objects. docs/components.md, "The store".

create table stored_object (
  lo oid primary key,
  token uuid not null,
  hash bytea check (length(hash) = 32),
  size bigint not null default 0,
  sealed boolean not null default false,
  unique (token, hash),
  check (hash is not null or not sealed)
);
comment on table stored_object is 'Each file that the database keeps for components. Without a hash it is being written; before it is sealed, nobody reads it. A row and its large object come and go in one transaction.';
