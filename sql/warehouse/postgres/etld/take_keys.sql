-- Takes single keys that a dependency or an operator has touched, oldest first, of the shards that lock_unit
-- has; the statement that rebuilds must come after, so that it sees whatever was committed with these rows.
-- $1 consumer text
-- $2 max_keys bigint
-- $3 tenant text  null = every tenant
-- rows: 1 (tenants text[], keys text[], has_beside boolean); keys[i] of tenants[i], null when nothing is
--   queued; has_beside: there is a version beside the live one, which every key is also rebuilt in
with single as (
	delete from analytics_run.touched
	where touch_id = any (array(
		select oldest.touch_id
		from unnest(current_setting('etld.shards')::integer[]) as s (shard)
		cross join lateral (
			select t.touch_id
			from analytics_run.touched t
			where t.consumer = $1::text and t.shard = s.shard and t.kind = 'key'
				and ($3::text is null or t.tenant_id = $3::text)
			order by t.touch_id
			limit $2::bigint) oldest
		order by oldest.touch_id
		limit $2::bigint))
	returning tenant_id, key
), taken as (
	select distinct tenant_id, key from single
)
select array_agg(tenant_id order by tenant_id, key) as tenants, array_agg(key order by tenant_id, key) as keys,
	exists (select from analytics_run.build where consumer = $1::text) as has_beside
from taken
