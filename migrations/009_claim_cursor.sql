-- A claim can begin behind the last place that one took: one range of this index, so that it does not walk over what was
-- deleted and cannot be cleared away yet.
alter table queue replica identity full;
drop index queue_claim_order;
create unique index queue_claim_order on queue (lane, (-priority::integer), id);
