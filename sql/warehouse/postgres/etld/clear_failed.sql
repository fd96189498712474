-- Forgets the failures of keys that have been rebuilt.
-- $1 consumer text
-- $2 tenants text[]
-- $3 keys text[]     as they were given to the rebuild
-- $4 first integer   the part of the arrays that was rebuilt
-- $5 last integer
-- rows: one for each key that had failed (tenant_id text, key text)
delete from analytics_run.failed_keys f
using (select distinct tenant_id, split_part(key, '@', 1) as key from unnest($2::text[], $3::text[]) with ordinality as k (tenant_id, key, n)
	where n between $4::integer and $5::integer) k
where f.consumer = $1::text and f.tenant_id = k.tenant_id and f.key = k.key
returning f.tenant_id, f.key
