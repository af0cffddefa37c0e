-- Roles: servers that claim, and servers that stand by until no other one claims.

alter table incarnation
  add role text not null default 'active' check (role in ('active', 'standby')),
  add hand_back text not null default 'automatic' check (hand_back in ('automatic', 'manual'));
comment on column incarnation.role is 'A standby begins with a suspension of the kind standby, and clears it itself when no other server claims.';
comment on column incarnation.hand_back is 'When a standby that has taken over suspends itself again: as soon as an active server claims, or when somebody suspends it.';
-- Few rows, for whoever asks again and again whether the cluster should have a standby.
create index incarnation_standby on incarnation (state, node, id) where role = 'standby';

alter table node_history drop constraint node_history_state_check;
alter table node_history add constraint node_history_state_check check (state in
  ('joined', 'suspended', 'resumed', 'draining', 'drained', 'left', 'lost', 'fenced', 'retired', 'took-over', 'handed-back'));
