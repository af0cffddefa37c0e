-- Whose data folder a node id belongs to.

alter table node add column instance uuid;
comment on column node.instance is 'Made at random in the data folder that the node id belongs to. Null for a node that has none: the next server with the id gets it.';
