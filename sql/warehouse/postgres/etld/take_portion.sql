-- Takes a portion of one row of kind `property` or `all`, which stands for many keys that a dependency, a
-- refresh or an operator has touched, or of kind `raw`, which stands for batches to be read again (raw_batch),
-- the oldest first; what is left keeps its place in the queue. Of the one shard that lock_unit has; the
-- statement that rebuilds must come after, so that it sees whatever was committed with this row.
-- $1 consumer text
-- $2 most bigint  keys, or four times the events of the batches, which cost as much more (read, and their keys
--   rebuilt in both versions); the last batch may reach beyond it
-- $3 tenant text  null = every tenant
-- rows: 1 (tenants text[], keys text[], has_beside boolean, job_id text, was_last boolean, beside boolean,
--   batches bigint[], batch_tenants text[], key_lo text, key_hi text, keyless text[]);
--   the first three as of take_keys.sql; job_id: whose portion it is, null when nobody asked; was_last:
--   nothing is left of that row; beside: it is to be built in the version beside the live one alone; the
--   others, of kind `raw` alone, as of take_delta.sql
with first as materialized (
	select touch_id, tenant_id, kind, key, after_key, job_id, beside, since, until
	from analytics_run.touched
	where consumer = $1::text and shard = (current_setting('etld.shards')::integer[])[1] and kind <> 'key'
		and ($3::text is null or tenant_id = $3::text)
	order by touch_id
	limit 1
), portion as materialized (
	select f.touch_id, f.tenant_id, k.key
	from (select * from first where kind <> 'raw') f
	cross join lateral (
		select reservation_id as key
		from analytics_curated.fact_reservation
		where $1::text = 'reservation' and f.kind = 'property' and tenant_id = f.tenant_id and property_id = f.key
			and reservation_id > f.after_key
		union all
		select distinct reservation_id
		from analytics_curated.event_reservation
		where $1::text = 'reservation' and f.kind = 'all' and tenant_id = f.tenant_id and reservation_id > f.after_key
			and occurred_at >= f.since and occurred_at < f.until
		union all
		select transaction_id
		from analytics_curated.fact_payment
		where $1::text = 'payment' and f.kind = 'property' and tenant_id = f.tenant_id and property_id = f.key
			and transaction_id > f.after_key
		union all
		select distinct transaction_id
		from analytics_curated.event_payment
		where $1::text = 'payment' and f.kind = 'all' and tenant_id = f.tenant_id and transaction_id > f.after_key
			and occurred_at >= f.since and occurred_at < f.until
		union all
		select room_type_id
		from analytics_curated.dim_room_type
		where $1::text = 'property' and f.kind = 'property' and tenant_id = f.tenant_id and property_id = f.key
			and room_type_id > f.after_key
		union all
		select distinct entity_id
		from analytics_curated.event_property
		where $1::text = 'property' and f.kind = 'all' and tenant_id = f.tenant_id and entity_id > f.after_key
			and occurred_at >= f.since and occurred_at < f.until
		union all
		select tenant_id
		from analytics_curated.event_tenant
		where $1::text = 'tenant' and f.kind = 'all' and tenant_id = f.tenant_id and tenant_id > f.after_key
			and occurred_at >= f.since and occurred_at < f.until
		union all
		select task_id
		from analytics_curated.fact_housekeeping_task
		where $1::text = 'housekeeping' and f.kind = 'property' and tenant_id = f.tenant_id and property_id = f.key
			and task_id > f.after_key
		union all
		select distinct task_id
		from analytics_curated.event_housekeeping
		where $1::text = 'housekeeping' and f.kind = 'all' and tenant_id = f.tenant_id and task_id > f.after_key
			and occurred_at >= f.since and occurred_at < f.until
		union all
		select distinct base_currency || '/' || quote_currency || '@' || (captured_at at time zone 'UTC')::date
		from analytics_curated.event_fx
		where $1::text = 'fx' and (f.kind = 'all' or property_id = f.key) and tenant_id = f.tenant_id
			and base_currency || '/' || quote_currency || '@' || (captured_at at time zone 'UTC')::date > f.after_key
			and said_at >= f.since and said_at < f.until
		union all
		select distinct lock_key
		from analytics_curated.fact_lock_action
		where $1::text = 'lock' and f.kind = 'property' and tenant_id = f.tenant_id and property_id = f.key
			and lock_key > f.after_key
		union all
		select distinct lock_key
		from analytics_curated.event_lock
		where $1::text = 'lock' and f.kind = 'all' and tenant_id = f.tenant_id and lock_key > f.after_key
			and occurred_at >= f.since and occurred_at < f.until
		union all
		select distinct 's' || suggestion_id
		from analytics_curated.event_ai
		where $1::text = 'ai' and (f.kind = 'all' or property_id = f.key) and tenant_id = f.tenant_id
			and 's' || suggestion_id > f.after_key
			and occurred_at >= f.since and occurred_at < f.until
		union all
		select distinct 'f' || jsonb_build_array(property_id, forecast_run_id, room_type_id)::text
		from analytics_curated.event_forecast
		where $1::text = 'ai' and (f.kind = 'all' or property_id = f.key) and tenant_id = f.tenant_id
			and ('f' || jsonb_build_array(property_id, forecast_run_id, room_type_id)::text) collate "C" > f.after_key
			and occurred_at >= f.since and occurred_at < f.until
		union all
		select event_id
		from analytics_curated.event_audit
		where $1::text = 'audit' and f.kind = 'all' and tenant_id = f.tenant_id and event_id > f.after_key
			and occurred_at >= f.since and occurred_at < f.until
		union all
		select distinct k.key
		from analytics_curated.event_funnel e
		cross join lateral (
			select case when e.handoff_id is not null then 'h' || e.handoff_id else 's' || e.session_id end as key) k
		where $1::text = 'funnel' and (f.kind = 'all' or e.property_id = f.key) and e.owner_id = f.tenant_id
			and k.key > f.after_key
			and e.occurred_at >= f.since and e.occurred_at < f.until
		order by key
		limit $2::bigint) k
), queued as materialized (
	select b.tenant_id, b.batch_id, b.key_lo, b.key_hi, b.before
	from first f
	cross join lateral (
		select tenant_id, batch_id, key_lo, key_hi,
			4 * (sum(events) over (order by batch_id rows between unbounded preceding and current row) - events) as before
		from (
			select tenant_id, batch_id, key_lo, key_hi, events
			from analytics_run.raw_batch
			where consumer = $1::text and tenant_id = f.tenant_id
			order by batch_id
			limit $2::bigint / 4 + 2) oldest) b
	where f.kind = 'raw'
), gone as (
	delete from analytics_run.raw_batch b
	using queued q
	where b.consumer = $1::text and b.tenant_id = q.tenant_id and b.batch_id = q.batch_id and q.before < $2::bigint
	returning b.tenant_id, b.batch_id, b.key_lo, b.key_hi
), progress as materialized (
	select touch_id, max(p.key) as last_key,
		case f.kind when 'raw' then exists (select from queued where before >= $2::bigint)
			else count(p.key) >= $2::bigint end as has_more
	from first f
	left join portion p using (touch_id)
	group by touch_id, f.kind
), advanced as (
	update analytics_run.touched t set after_key = p.last_key
	from progress p
	where t.touch_id = p.touch_id and p.has_more and p.last_key is not null
), finished as (
	delete from analytics_run.touched t
	using progress p
	where t.touch_id = p.touch_id and not p.has_more
), taken as (
	select tenant_id, key from portion
), batch as (
	select array_agg(batch_id order by batch_id) as batches, array_agg(tenant_id order by batch_id) as tenants,
		min(key_lo) as key_lo, max(key_hi) as key_hi
	from gone
)
select array_agg(tenant_id order by tenant_id, key) as tenants, array_agg(key order by tenant_id, key) as keys,
	exists (select from analytics_run.build where consumer = $1::text) as has_beside,
	(select job_id from first) as job_id, coalesce((select not p.has_more from progress p), false) as was_last,
	coalesce((select beside from first), false) as beside,
	(select batches from batch) as batches, (select tenants from batch) as batch_tenants,
	(select key_lo from batch) as key_lo, (select key_hi from batch) as key_hi,
	(select array[f.tenant_id]
	from first f
	where f.kind = 'raw' and not exists (select from analytics_run.guest_key g where g.tenant_id = f.tenant_id)
		and not exists (select from analytics_run.tombstone d where d.tenant_id = f.tenant_id)) as keyless
from taken
