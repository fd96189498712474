-- dim_room_type as a function of all events of the given room types, of the rooms ever in them and of
-- their days; a room among the keys stands for every type it was ever in, a property is passed over.
-- inventory_from/_to are the days of fact_inventory_day: from the first room or the first day spoken
-- of, within the calendar, to 31 December of the second year after inventory_horizon_year. When the types
-- of a property change, its forecasts, which name them, are touched.
-- Second of the four rebuilds of its consumer. Needs lock_unit, in a statement of its own before.
-- $1 tenants text[]
-- $2 keys text[]  ids of properties, room types and rooms, maybe with days (append_property.sql)
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct k.tenant_id, t.room_type_id
	from (
		select distinct tenant_id, split_part(key, '@', 1) as id
		from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
		where n between $3::integer and $4::integer) k
	cross join lateral (
		select k.id as room_type_id
		where not exists (
			select from analytics_curated.event_property e
			where e.tenant_id = k.tenant_id and e.entity in ('property', 'room') and e.entity_id = k.id)
		union all
		select e.room_type_id
		from analytics_curated.event_property e
		where e.tenant_id = k.tenant_id and e.entity = 'room' and e.entity_id = k.id and e.room_type_id is not null
		offset 0) t
), fresh as materialized (
	select w.tenant_id, w.room_type_id, o.property_id, f.name, f.max_occupancy,
		case when f.verb is null then 'unknown' when f.verb = 'archived' then 'archived' else 'active' end as status,
		case when d.starts <= h.ends then d.starts end as inventory_from,
		case when d.starts <= h.ends then h.ends end as inventory_to,
		coalesce(f.created_at, r.created_at, y.created_at) as created_at,
		coalesce(f.last_event_at, r.created_at, y.created_at) as last_event_at,
		greatest(f.batch_id, r.batch_id, y.batch_id) as batch_id
	from wanted w
	cross join lateral (
		select
			(array_agg(property_id) filter (where property_id is not null))[count(property_id)] as property_id,
			(array_agg(name) filter (where name is not null))[count(name)] as name,
			(array_agg(max_occupancy) filter (where max_occupancy is not null))[count(max_occupancy)] as max_occupancy,
			(array_agg(verb))[count(*)] as verb, min(occurred_at) as created_at, max(occurred_at) as last_event_at,
			max(batch_id) as batch_id
		from (
			select e.*
			from analytics_curated.event_property e
			where e.tenant_id = w.tenant_id and e.entity = 'room_type' and e.entity_id = w.room_type_id
			order by e.occurred_at, e.aggregate_version nulls first, e.event_id
			offset 0) in_order) f
	cross join lateral (
		select min(e.property_id) as property_id, min(e.occurred_at) as created_at, max(e.batch_id) as batch_id,
			min(e.occurred_at) filter (where e.verb in ('created', 'updated')) as first_room_at
		from analytics_curated.event_property e
		where e.tenant_id = w.tenant_id and e.entity = 'room' and e.room_type_id = w.room_type_id) r
	left join lateral (
		select property_id, occurred_at as created_at, batch_id, day_from as first_day
		from analytics_curated.event_property
		where tenant_id = w.tenant_id and entity = 'day' and entity_id = w.room_type_id
		order by day_from, occurred_at, event_id
		limit 1) y on true
	cross join lateral (select coalesce(f.property_id, r.property_id, y.property_id) as property_id) o
	left join analytics_live.dim_property p on p.tenant_id = w.tenant_id and p.property_id = o.property_id
	cross join lateral (
		select case when y.first_day is not null or r.first_room_at is not null then
			greatest(date '2010-01-01', least(y.first_day, (r.first_room_at at time zone coalesce(p.timezone, 'UTC'))::date))
		end as starts) d
	cross join lateral (
		select make_date(value::integer + 2, 12, 31) as ends
		from analytics_run.setting
		where key = 'inventory_horizon_year') h
	where coalesce(f.created_at, r.created_at, y.created_at) is not null
), old as materialized (
	select w.tenant_id, w.room_type_id, f.row_at, f.property_id, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.property_id, (
			f.property_id, f.name, f.max_occupancy, f.status, f.inventory_from, f.inventory_to, f.created_at,
			f.last_event_at) as content
		from analytics_live.dim_room_type f
		where f.tenant_id = w.tenant_id and f.room_type_id = w.room_type_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.property_id as old_property_id, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.room_type_id = n.room_type_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.property_id, n.name, n.max_occupancy, n.status, n.inventory_from, n.inventory_to, n.created_at,
		n.last_event_at)
), put as (
	insert into analytics_live.dim_room_type
		(tenant_id, room_type_id, property_id, name, max_occupancy, status, inventory_from, inventory_to, created_at,
		 last_event_at, _batch_id, _updated_at)
	select tenant_id, room_type_id, property_id, name, max_occupancy, status, inventory_from, inventory_to, created_at,
		last_event_at, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, room_type_id) do update set
		(property_id, name, max_occupancy, status, inventory_from, inventory_to, created_at, last_event_at, _batch_id,
		 _updated_at) =
		(excluded.property_id, excluded.name, excluded.max_occupancy, excluded.status, excluded.inventory_from,
		 excluded.inventory_to, excluded.created_at, excluded.last_event_at, excluded._batch_id, excluded._updated_at)
), cut as (
	delete from analytics_live.dim_room_type where row_at = any (array(
		select row_at from diff where tenant_id is null))
), moved as (
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select distinct 'ai', coalesce(d.tenant_id, d.old_tenant_id), 'property', p.property_id
	from diff d
	cross join lateral (values (d.property_id), (d.old_property_id)) as p (property_id)
	where p.property_id is not null and d.property_id is distinct from d.old_property_id
), cell as materialized (
	select coalesce(tenant_id, old_tenant_id) as tenant_id, date '1970-01-01' as day, count(tenant_id) as put,
		count(*) - count(tenant_id) as cut
	from diff
	group by 1, 2
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'dim_room_type', day from cell
), impact as (
	select tenant_id, put as upserted, cut as deleted, null::date as day_from, null::date as day_to -- it has no days
	from cell
)
select 'dim_room_type' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
