-- The keys that events read again have touched, before and after, each once.
-- $1 tenants text[]
-- $2 keys text[]  keys[i] of tenants[i]
-- rows: 1 (tenants text[], keys text[])
select array_agg(tenant_id order by tenant_id, key) as tenants, array_agg(key order by tenant_id, key) as keys
from (select distinct * from unnest($1::text[], $2::text[]) as k (tenant_id, key)) k
