-- Takes keys that a dependency, a refresh or an operator has touched, oldest first: single ones, or a
-- portion of one row of kind `property` or `all`, which stands for many keys; what is left keeps its
-- place in the queue. Needs lock_unit; the statement that rebuilds must come after, so that it sees
-- whatever was committed with these rows.
-- $1 consumer text
-- $2 shard integer
-- $3 max_keys bigint
-- $4 portions boolean  a portion; else single keys
-- $5 tenant text       null = every tenant
-- rows: 1 (tenants text[], keys text[], job_id text, was_last boolean); keys[i] of tenants[i], null when
--   nothing is queued; job_id: whose portion it is, null when nobody asked; was_last: nothing is left of
--   that row
with first as materialized (
	select touch_id, tenant_id, kind, key, after_key, job_id
	from analytics_run.touched
	where consumer = $1::text and shard = $2::integer and kind <> 'key' and $4::boolean
		and ($5::text is null or tenant_id = $5::text)
	order by touch_id
	limit 1
), single as (
	delete from analytics_run.touched
	where touch_id = any (array(
		select t.touch_id
		from analytics_run.touched t
		where t.consumer = $1::text and t.shard = $2::integer and t.kind = 'key' and not $4::boolean
			and ($5::text is null or t.tenant_id = $5::text)
		order by t.touch_id
		limit $3::bigint))
	returning tenant_id, key
), portion as materialized (
	select f.touch_id, f.tenant_id, k.key
	from first f
	cross join lateral (
		select reservation_id as key
		from analytics_curated.fact_reservation_v1
		where $1::text = 'reservation' and f.kind = 'property' and tenant_id = f.tenant_id and property_id = f.key
			and reservation_id > f.after_key
		union all
		select distinct reservation_id
		from analytics_curated.event_reservation
		where $1::text = 'reservation' and f.kind = 'all' and tenant_id = f.tenant_id and reservation_id > f.after_key
		union all
		select transaction_id
		from analytics_curated.fact_payment_v1
		where $1::text = 'payment' and f.kind = 'property' and tenant_id = f.tenant_id and property_id = f.key
			and transaction_id > f.after_key
		union all
		select distinct transaction_id
		from analytics_curated.event_payment
		where $1::text = 'payment' and f.kind = 'all' and tenant_id = f.tenant_id and transaction_id > f.after_key
		union all
		select room_type_id
		from analytics_curated.dim_room_type_v1
		where $1::text = 'property' and f.kind = 'property' and tenant_id = f.tenant_id and property_id = f.key
			and room_type_id > f.after_key
		union all
		select distinct entity_id
		from analytics_curated.event_property
		where $1::text = 'property' and f.kind = 'all' and tenant_id = f.tenant_id and entity_id > f.after_key
		union all
		select tenant_id
		from analytics_curated.event_tenant
		where $1::text = 'tenant' and f.kind = 'all' and tenant_id = f.tenant_id and tenant_id > f.after_key
		order by key
		limit $3::bigint) k
), progress as (
	select touch_id, count(p.key) as keys, max(p.key) as last_key
	from first f
	left join portion p using (touch_id)
	group by touch_id
), advanced as (
	update analytics_run.touched t set after_key = p.last_key
	from progress p
	where t.touch_id = p.touch_id and p.keys >= $3::bigint
), finished as (
	delete from analytics_run.touched t
	using progress p
	where t.touch_id = p.touch_id and p.keys < $3::bigint
), taken as (
	select distinct tenant_id, key from single
	union
	select tenant_id, key from portion
)
select array_agg(tenant_id order by tenant_id, key) as tenants, array_agg(key order by tenant_id, key) as keys,
	(select job_id from first) as job_id, coalesce((select p.keys < $3::bigint from progress p), false) as was_last
from taken
