-- fact_lock_action as a function of all events of the given credentials, attempts and devices: a row for
-- each event of a credential or a device, one for an attempt, however often it was reported. What an
-- event does not say of the place and the holder is what the others of its key say, the last one given.
-- An issue, or its failure, answers the last request before it: the latency is between the two.
-- Needs lock_unit, in a statement of its own before. The shape: see rebuild_reservation.sql.
-- $1 tenants text[]
-- $2 keys text[]  ids of credentials, attempts and devices; keys[i] of tenants[i]
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct tenant_id, key as lock_key
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
), fresh as materialized (
	select w.tenant_id, w.lock_key, f.action_id, v.action, coalesce(f.property_id, k.property_id) as property_id,
		coalesce(f.room_id, k.room_id) as room_id,
		case when f.verb like 'credential.%' then w.lock_key else f.key_credential_id end as key_credential_id,
		coalesce(f.lock_device_id, k.lock_device_id) as lock_device_id,
		coalesce(f.reservation_id, k.reservation_id) as reservation_id,
		coalesce(f.holder_kind, k.holder_kind) as holder_kind, coalesce(f.vendor, k.vendor) as vendor,
		v.result, f.reason, f.occurred_at,
		(f.occurred_at at time zone coalesce(p.timezone, 'UTC'))::date as business_date,
		case when v.action = 'issue' then
			floor(extract(epoch from f.occurred_at - f.requested_at) * 1000)::bigint end as latency_ms,
		f.batch_id
	from wanted w
	cross join lateral (
		select
			(array_agg(property_id) filter (where property_id is not null))[count(property_id)] as property_id,
			(array_agg(room_id) filter (where room_id is not null))[count(room_id)] as room_id,
			(array_agg(lock_device_id) filter (where lock_device_id is not null))[count(lock_device_id)] as lock_device_id,
			(array_agg(reservation_id) filter (where reservation_id is not null))[count(reservation_id)] as reservation_id,
			(array_agg(holder_kind) filter (where holder_kind is not null))[count(holder_kind)] as holder_kind,
			(array_agg(vendor) filter (where vendor is not null))[count(vendor)] as vendor
		from (
			select e.*
			from analytics_curated.event_lock e
			where e.tenant_id = w.tenant_id and e.lock_key = w.lock_key
			order by e.occurred_at, e.aggregate_version nulls first, e.event_id
			offset 0) in_order) k
	cross join lateral (
		select e.*, case when e.verb like 'access.%' then w.lock_key else e.event_id end as action_id,
			row_number() over (partition by e.verb like 'access.%'
				order by e.occurred_at desc, e.aggregate_version desc nulls last, e.event_id desc) as n_back,
			max(e.occurred_at) filter (where e.verb = 'credential.requested') over (
				order by e.occurred_at, e.aggregate_version nulls first, e.event_id
				rows between unbounded preceding and 1 preceding) as requested_at
		from analytics_curated.event_lock e
		where e.tenant_id = w.tenant_id and e.lock_key = w.lock_key
		offset 0) f
	join (values
		('credential.requested', 'request', 'requested'),
		('credential.issued', 'issue', 'succeeded'),
		('credential.failed', 'issue', 'failed'),
		('credential.activated', 'activate', 'succeeded'),
		('credential.suspended', 'suspend', 'succeeded'),
		('credential.revoked', 'revoke', 'succeeded'),
		('access.granted', 'access', 'granted'),
		('access.denied', 'access', 'denied'),
		('device.health_alert', 'alert', 'alert')) as v (verb, action, result) on v.verb = f.verb
	left join analytics_curated.dim_property p
		on p.tenant_id = w.tenant_id and p.property_id = coalesce(f.property_id, k.property_id)
	where f.n_back = 1 or f.verb not like 'access.%'
), old as materialized (
	select w.tenant_id, f.lock_key, f.action_id, f.row_at, f.business_date, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.lock_key, f.action_id, f.business_date, (
			f.action, f.property_id, f.room_id, f.key_credential_id, f.lock_device_id, f.reservation_id, f.holder_kind,
			f.vendor, f.result, f.reason, f.occurred_at, f.business_date, f.latency_ms) as content
		from analytics_live.fact_lock_action f
		where f.tenant_id = w.tenant_id and f.lock_key = w.lock_key
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.business_date as old_business_date, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.lock_key = n.lock_key and o.action_id = n.action_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.action, n.property_id, n.room_id, n.key_credential_id, n.lock_device_id, n.reservation_id, n.holder_kind,
		n.vendor, n.result, n.reason, n.occurred_at, n.business_date, n.latency_ms)
), put as (
	insert into analytics_live.fact_lock_action
		(tenant_id, lock_key, action_id, action, property_id, room_id, key_credential_id, lock_device_id, reservation_id,
		 holder_kind, vendor, result, reason, occurred_at, business_date, latency_ms, _batch_id, _updated_at)
	select tenant_id, lock_key, action_id, action, property_id, room_id, key_credential_id, lock_device_id, reservation_id,
		holder_kind, vendor, result, reason, occurred_at, business_date, latency_ms, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, lock_key, action_id) do update set
		(action, property_id, room_id, key_credential_id, lock_device_id, reservation_id, holder_kind, vendor, result,
		 reason, occurred_at, business_date, latency_ms, _batch_id, _updated_at) =
		(excluded.action, excluded.property_id, excluded.room_id, excluded.key_credential_id, excluded.lock_device_id,
		 excluded.reservation_id, excluded.holder_kind, excluded.vendor, excluded.result, excluded.reason,
		 excluded.occurred_at, excluded.business_date, excluded.latency_ms, excluded._batch_id, excluded._updated_at)
), cut as (
	delete from analytics_live.fact_lock_action where row_at = any (array(
		select row_at from diff where tenant_id is null))
), changed (tenant_id, day, put, cut) as (
	select tenant_id, business_date, 1, 0 from diff where tenant_id is not null
	union all
	select old_tenant_id, old_business_date, 0, (tenant_id is null)::integer from diff
	where old_tenant_id is not null and old_business_date is distinct from business_date
), cell as materialized (
	select tenant_id, day, sum(put) as put, sum(cut) as cut from changed group by tenant_id, day
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'fact_lock_action', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'fact_lock_action' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
