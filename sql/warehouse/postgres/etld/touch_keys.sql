-- Queues single keys for rebuilding: failed ones, or a sample that dqd asks for.
-- $1 consumer text
-- $2 tenants text[]
-- $3 keys text[]  keys[i] of tenants[i]
-- rows: none
insert into analytics_run.touched (consumer, tenant_id, kind, key)
select $1::text, tenant_id, 'key', key
from unnest($2::text[], $3::text[]) as k (tenant_id, key)
