-- dim_property as a function of all events of the given properties; other ids among the keys are
-- passed over. When the time zone in force changes, the facts whose dates depend on it are touched; when
-- a property becomes known, those that ask whether it is.
-- First of the four rebuilds of its consumer. Needs lock_unit, in a statement of its own before.
-- $1 tenants text[]
-- $2 keys text[]  ids of properties, room types and rooms, maybe with days (append_property.sql)
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct tenant_id, split_part(key, '@', 1) as property_id
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
), fresh as materialized (
	select w.tenant_id, w.property_id, f.name, f.city, f.country, f.timezone, f.currency, f.check_in_time,
		case f.verb when 'archived' then 'archived' when 'unpublished' then 'unpublished' else 'published' end as status,
		f.created_at, f.last_event_at, f.batch_id
	from wanted w
	cross join lateral (
		select
			(array_agg(name) filter (where name is not null))[count(name)] as name,
			(array_agg(city) filter (where city is not null))[count(city)] as city,
			(array_agg(country) filter (where country is not null))[count(country)] as country,
			(array_agg(timezone) filter (where timezone is not null))[count(timezone)] as timezone,
			(array_agg(currency) filter (where currency is not null))[count(currency)] as currency,
			(array_agg(check_in_time) filter (where check_in_time is not null))[count(check_in_time)] as check_in_time,
			(array_agg(verb) filter (where verb <> 'updated'))[count(*) filter (where verb <> 'updated')] as verb,
			min(occurred_at) as created_at, max(occurred_at) as last_event_at, max(batch_id) as batch_id
		from (
			select e.*
			from analytics_curated.event_property e
			where e.tenant_id = w.tenant_id and e.entity = 'property' and e.entity_id = w.property_id
			order by e.occurred_at, e.aggregate_version nulls first, e.event_id
			offset 0) in_order
		having count(*) > 0) f
), old as materialized (
	select w.tenant_id, w.property_id, f.row_at, f.timezone, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.timezone, (
			f.name, f.city, f.country, f.timezone, f.currency, f.check_in_time, f.status, f.created_at,
			f.last_event_at) as content
		from analytics_live.dim_property f
		where f.tenant_id = w.tenant_id and f.property_id = w.property_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.property_id as old_property_id, o.timezone as old_timezone, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.property_id = n.property_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.name, n.city, n.country, n.timezone, n.currency, n.check_in_time, n.status, n.created_at,
		n.last_event_at)
), put as (
	insert into analytics_live.dim_property
		(tenant_id, property_id, name, city, country, timezone, currency, check_in_time, status, created_at,
		 last_event_at, _batch_id, _updated_at)
	select tenant_id, property_id, name, city, country, timezone, currency, check_in_time, status, created_at,
		last_event_at, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, property_id) do update set
		(name, city, country, timezone, currency, check_in_time, status, created_at, last_event_at, _batch_id,
		 _updated_at) =
		(excluded.name, excluded.city, excluded.country, excluded.timezone, excluded.currency,
		 excluded.check_in_time, excluded.status, excluded.created_at, excluded.last_event_at, excluded._batch_id,
		 excluded._updated_at)
), cut as (
	delete from analytics_live.dim_property where row_at = any (array(
		select row_at from diff where tenant_id is null))
), moved as (
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select c.consumer, coalesce(d.tenant_id, d.old_tenant_id), 'property', coalesce(d.property_id, d.old_property_id)
	from diff d
	cross join (values ('property', false), ('reservation', false), ('payment', false), ('housekeeping', false),
		('fx', false), ('lock', false), ('ai', true), ('funnel', true)) as c (consumer, asks)
	where coalesce(d.timezone, 'UTC') <> coalesce(d.old_timezone, 'UTC')
		or c.asks and (d.tenant_id is null or d.old_tenant_id is null)
), cell as materialized (
	select coalesce(tenant_id, old_tenant_id) as tenant_id, date '1970-01-01' as day, count(tenant_id) as put,
		count(*) - count(tenant_id) as cut
	from diff
	group by 1, 2
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'dim_property', day from cell
), impact as (
	select tenant_id, put as upserted, cut as deleted, null::date as day_from, null::date as day_to -- it has no days
	from cell
)
select 'dim_property' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
