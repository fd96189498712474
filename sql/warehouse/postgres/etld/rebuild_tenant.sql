-- dim_tenant as a function of all events of the given tenants. A suspended tenant stays readable, a
-- deleted one is for good unless it is created again. Needs lock_unit, in a statement of its own before.
-- $1 tenants text[]
-- $2 keys text[]  the tenant ids again
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct tenant_id
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
), fresh as materialized (
	select w.tenant_id, f.name, f.region, f.data_residency, f.default_currency, f.timezone, f.weekend_days,
		case f.state when 'suspended' then 'suspended' when 'deleted' then 'deleted' else 'active' end as status,
		f.created_at, f.last_event_at, f.batch_id
	from wanted w
	cross join lateral (
		select
			(array_agg(name) filter (where name is not null))[count(name)] as name,
			(array_agg(region) filter (where region is not null))[count(region)] as region,
			(array_agg(data_residency) filter (where data_residency is not null))[count(data_residency)] as data_residency,
			(array_agg(default_currency) filter (where default_currency is not null))[count(default_currency)] as default_currency,
			(array_agg(timezone) filter (where timezone is not null))[count(timezone)] as timezone,
			(array_agg(days) filter (where days is not null))[count(days)]::integer[] as weekend_days,
			(array_agg(verb) filter (where is_state))[count(*) filter (where is_state)] as state,
			min(occurred_at) as created_at, max(occurred_at) as last_event_at, max(batch_id) as batch_id
		from (
			-- as text: an aggregate of arrays would be a matrix
			select e.*, e.weekend_days::text as days, e.verb in ('created', 'suspended', 'reactivated', 'deleted') as is_state
			from analytics_curated.event_tenant e
			where e.tenant_id = w.tenant_id
			order by e.occurred_at, e.aggregate_version nulls first, e.event_id
			offset 0) in_order
		having count(*) > 0) f
), old as materialized (
	select w.tenant_id, f.row_at, f.content
	from wanted w
	cross join lateral (
		select f.row_at, (
			f.name, f.region, f.data_residency, f.default_currency, f.timezone, f.weekend_days, f.status,
			f.created_at, f.last_event_at) as content
		from analytics_live.dim_tenant f
		where f.tenant_id = w.tenant_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.name, n.region, n.data_residency, n.default_currency, n.timezone, n.weekend_days, n.status,
		n.created_at, n.last_event_at)
), put as (
	insert into analytics_live.dim_tenant
		(tenant_id, name, region, data_residency, default_currency, timezone, weekend_days, status, created_at,
		 last_event_at, _batch_id, _updated_at)
	select tenant_id, name, region, data_residency, default_currency, timezone, weekend_days, status, created_at,
		last_event_at, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id) do update set
		(name, region, data_residency, default_currency, timezone, weekend_days, status, created_at, last_event_at,
		 _batch_id, _updated_at) =
		(excluded.name, excluded.region, excluded.data_residency, excluded.default_currency, excluded.timezone,
		 excluded.weekend_days, excluded.status, excluded.created_at, excluded.last_event_at, excluded._batch_id,
		 excluded._updated_at)
), cut as (
	delete from analytics_live.dim_tenant where row_at = any (array(
		select row_at from diff where tenant_id is null))
), cell as materialized (
	select coalesce(tenant_id, old_tenant_id) as tenant_id, date '1970-01-01' as day, count(tenant_id) as put,
		count(*) - count(tenant_id) as cut
	from diff
	group by 1, 2
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'dim_tenant', day from cell
), impact as (
	select tenant_id, put as upserted, cut as deleted, null::date as day_from, null::date as day_to -- it has no days
	from cell
)
select 'dim_tenant' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
