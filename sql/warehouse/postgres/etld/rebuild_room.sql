-- dim_room as a function of all events of the given rooms; other ids among the keys are passed over.
-- The status is the last thing said, not the state on a day: that is fact_inventory_day. Forecasts are
-- judged by the rooms that there are: when those of a property change, its forecasts are touched.
-- Third of the four rebuilds of its consumer. Needs lock_unit, in a statement of its own before.
-- $1 tenants text[]
-- $2 keys text[]  ids of properties, room types and rooms, maybe with days (append_property.sql)
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct tenant_id, split_part(key, '@', 1) as room_id
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
), fresh as materialized (
	select w.tenant_id, w.room_id, f.property_id, f.room_type_id, f.number,
		case when f.verb in ('archived', 'out_of_order', 'out_of_service') then f.verb else 'active' end as status,
		f.created_at, f.last_event_at, f.batch_id
	from wanted w
	cross join lateral (
		select
			(array_agg(property_id) filter (where property_id is not null))[count(property_id)] as property_id,
			(array_agg(room_type_id) filter (where room_type_id is not null))[count(room_type_id)] as room_type_id,
			(array_agg(number) filter (where number is not null))[count(number)] as number,
			(array_agg(verb) filter (where verb <> 'updated'))[count(*) filter (where verb <> 'updated')] as verb,
			min(occurred_at) as created_at, max(occurred_at) as last_event_at, max(batch_id) as batch_id
		from (
			select e.*
			from analytics_curated.event_property e
			where e.tenant_id = w.tenant_id and e.entity = 'room' and e.entity_id = w.room_id
			order by e.occurred_at, e.aggregate_version nulls first, e.event_id
			offset 0) in_order
		having bool_or(verb in ('created', 'updated'))) f
), old as materialized (
	select w.tenant_id, w.room_id, f.row_at, f.property_id, f.room_type_id, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.property_id, f.room_type_id, (
			f.property_id, f.room_type_id, f.number, f.status, f.created_at, f.last_event_at) as content
		from analytics_live.dim_room f
		where f.tenant_id = w.tenant_id and f.room_id = w.room_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.property_id as old_property_id, o.room_type_id as old_room_type_id, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.room_id = n.room_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.property_id, n.room_type_id, n.number, n.status, n.created_at, n.last_event_at)
), put as (
	insert into analytics_live.dim_room
		(tenant_id, room_id, property_id, room_type_id, number, status, created_at, last_event_at, _batch_id,
		 _updated_at)
	select tenant_id, room_id, property_id, room_type_id, number, status, created_at, last_event_at, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, room_id) do update set
		(property_id, room_type_id, number, status, created_at, last_event_at, _batch_id, _updated_at) =
		(excluded.property_id, excluded.room_type_id, excluded.number, excluded.status, excluded.created_at,
		 excluded.last_event_at, excluded._batch_id, excluded._updated_at)
), cut as (
	delete from analytics_live.dim_room where row_at = any (array(
		select row_at from diff where tenant_id is null))
), moved as (
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select distinct 'ai', coalesce(d.tenant_id, d.old_tenant_id), 'property', p.property_id
	from diff d
	cross join lateral (values (d.property_id), (d.old_property_id)) as p (property_id)
	where p.property_id is not null
		and (d.property_id, d.room_type_id) is distinct from (d.old_property_id, d.old_room_type_id)
), cell as materialized (
	select coalesce(tenant_id, old_tenant_id) as tenant_id, date '1970-01-01' as day, count(tenant_id) as put,
		count(*) - count(tenant_id) as cut
	from diff
	group by 1, 2
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'dim_room', day from cell
), impact as (
	select tenant_id, put as upserted, cut as deleted, null::date as day_from, null::date as day_to -- it has no days
	from cell
)
select 'dim_room' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
