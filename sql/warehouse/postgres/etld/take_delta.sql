-- Takes pending deltas of the shards that lock_unit has, oldest first and the tenants in turn: each tenant's
-- deltas are ranked by the events before them, and the take goes by that rank, the small ones of a rank
-- first, so nobody waits behind a neighbour's backlog, however large its deltas are. The last delta may
-- reach beyond max_events. The rows taken are gone with the commit of the unit and back with its rollback.
-- $1 consumer text
-- $2 max_events bigint
-- $3 tenant text  null = every tenant
-- rows: 1 (batches bigint[], tenants text[], landed timestamptz[], events bigint, key_lo text,
--   key_hi text, keyless text[]); batches[i] goes with tenants[i] and landed[i], each pair once; the arrays
--   are null when nothing is pending; keyless: those of the tenants that live and have no secret for
--   pseudonyms yet, null when all have (ensure_guest_keys). key_lo and key_hi bound the dedupe keys of the
--   events, which is what keeps reading them to a few partitions.
with recursive tenant as (
	select s.shard, (
		select d.tenant_id
		from analytics_run.delta d
		where d.consumer = $1::text and d.shard = s.shard and ($3::text is null or d.tenant_id = $3::text)
		order by d.tenant_id
		limit 1) as tenant_id
	from unnest(current_setting('etld.shards')::integer[]) as s (shard)
	union all
	select t.shard, (
		select d.tenant_id
		from analytics_run.delta d
		where d.consumer = $1::text and d.shard = t.shard and d.tenant_id > t.tenant_id
			and $3::text is null
		order by d.tenant_id
		limit 1)
	from tenant t
	where t.tenant_id is not null
), candidate as (
	select t.shard, d.batch_id, d.tenant_id, d.domain, d.events, d.before
	from tenant t
	cross join lateral (
		select batch_id, tenant_id, domain, events,
			sum(events) over (order by batch_id, domain rows between unbounded preceding and current row) - events as before
		from (
			select batch_id, tenant_id, domain, events
			from analytics_run.delta
			where consumer = $1::text and shard = t.shard and tenant_id = t.tenant_id
			order by batch_id, domain
			limit greatest($2::bigint / (select count(*) from tenant), 256)) oldest) d
	where t.tenant_id is not null and d.before < $2::bigint
), taken as (
	select shard, batch_id, tenant_id, domain
	from (
		select shard, batch_id, tenant_id, domain, sum(events) over in_turn - events as ahead
		from candidate
		window in_turn as (order by before, events, batch_id, tenant_id, domain rows between unbounded preceding and current row)) ranked
	where ahead < $2::bigint
), gone as (
	delete from analytics_run.delta d
	using taken t
	where d.consumer = $1::text and d.shard = t.shard
		and d.tenant_id = t.tenant_id and d.batch_id = t.batch_id and d.domain = t.domain
	returning d.batch_id, d.tenant_id, d.events, d.landed_at, d.key_lo, d.key_hi
), pair as (
	select batch_id, tenant_id, sum(events) as events, max(landed_at) as landed_at,
		min(key_lo) as key_lo, max(key_hi) as key_hi
	from gone
	group by batch_id, tenant_id
)
select array_agg(batch_id order by batch_id, tenant_id) as batches, array_agg(tenant_id order by batch_id, tenant_id) as tenants,
	array_agg(landed_at order by batch_id, tenant_id) as landed, coalesce(sum(events), 0)::bigint as events,
	min(key_lo) as key_lo, max(key_hi) as key_hi,
	(select array_agg(distinct p.tenant_id)
	from pair p
	where not exists (select from analytics_run.guest_key g where g.tenant_id = p.tenant_id)
		and not exists (select from analytics_run.tombstone d where d.tenant_id = p.tenant_id)) as keyless
from pair
