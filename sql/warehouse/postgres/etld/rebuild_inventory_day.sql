-- fact_inventory_day as a function of all events of the rooms ever in the given room types and of
-- what was said about their days; a room among the keys stands for every type it was ever in.
--
-- What is said of a room holds for days: created and updated put it into a type and archived takes it
-- out, from then on; out_of_order and out_of_service from..until (exclusive; open until returned);
-- returned from then on. On each day, of each of the two kinds, what was said last counts. So a room
-- is a few intervals, a type is their ends with +1 and -1 in order of days, and a running sum; days
-- appear only where rows are written, never days x rooms. What inventory says of a day (total,
-- oosBlocked) wins over the count for that day.
-- Only the days of the keys are looked at, and those that the range of the type has gained or lost.
-- Last of the four rebuilds of its consumer. Needs lock_unit, in a statement of its own before.
-- $1 tenants text[]
-- $2 keys text[]  ids of properties, room types and rooms, maybe with days (append_property.sql)
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select k.tenant_id, t.room_type_id, range_agg(k.days) as days
	from (
		select distinct tenant_id, split_part(key, '@', 1) as id,
			coalesce(substring(key from '@(.*)$'), '(,)')::daterange as days
		from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
		where n between $3::integer and $4::integer) k
	cross join lateral (
		select k.id as room_type_id
		union
		select e.room_type_id
		from analytics_curated.event_property e
		where e.tenant_id = k.tenant_id and e.entity = 'room' and e.entity_id = k.id and e.room_type_id is not null
		offset 0) t
	group by k.tenant_id, t.room_type_id
), target as materialized (
	select w.tenant_id, w.room_type_id, d.property_id, d._batch_id as batch_id,
		coalesce(p.timezone, 'UTC') as zone, x.has_days, r.range, f.fill,
		f.fill + ('{(,)}'::datemultirange - datemultirange(r.range)) as look
	from wanted w
	join analytics_live.dim_room_type d on d.tenant_id = w.tenant_id and d.room_type_id = w.room_type_id
	left join analytics_live.dim_property p on p.tenant_id = d.tenant_id and p.property_id = d.property_id
	cross join lateral (
		select case when d.inventory_from is null
			then 'empty' else daterange(d.inventory_from, d.inventory_to, '[]') end as range) r
	cross join lateral (
		select (select date from analytics_live.fact_inventory_day
				where tenant_id = w.tenant_id and room_type_id = w.room_type_id order by date limit 1) as first,
			(select date from analytics_live.fact_inventory_day
				where tenant_id = w.tenant_id and room_type_id = w.room_type_id order by date desc limit 1) as last,
			(select property_id from analytics_live.fact_inventory_day
				where tenant_id = w.tenant_id and room_type_id = w.room_type_id order by date limit 1) as property_id,
			exists (
				select from analytics_curated.event_property e
				where e.tenant_id = w.tenant_id and e.entity = 'day' and e.entity_id = w.room_type_id) as has_days) x
	-- to be computed: the days of the keys and those without a row yet; all when the property is another
	cross join lateral (
		select datemultirange(r.range) * case
			when x.first is null or x.property_id is distinct from d.property_id then '{(,)}'::datemultirange
			else w.days + ('{(,)}'::datemultirange - datemultirange(daterange(x.first, x.last, '[]')))
		end as fill) f
), fresh as materialized (
	select t.tenant_id, t.room_type_id, d.date, t.property_id, coalesce(o.rooms, d.rooms)::integer as rooms_total,
		d.out_of_order::integer, coalesce(o.blocked, d.out_of_service)::integer as out_of_service, d.closed::integer,
		d.house_permanent::integer, (coalesce(o.rooms, d.rooms) - d.closed - d.house_permanent)::integer as rooms_available,
		t.batch_id
	from target t
	cross join lateral (
		with segment as (
			select g.starts, g.ends, g.class
			from (
				select distinct entity_id as room_id
				from analytics_curated.event_property
				where tenant_id = t.tenant_id and entity = 'room' and room_type_id = t.room_type_id
				offset 0) room
			cross join lateral (
				with said as materialized (
					select n, places, starts, ends, type, case
							when verb = 'out_of_service' then 'out_of_service'
							when verb <> 'out_of_order' then null
							when category = 'house_permanent' then 'house_permanent'
							when category in ('seasonal_closure', 'extended_closure') then 'closed'
							when category is distinct from 'short' and ends - starts >= 180 then 'closed'
							else 'out_of_order'
						end as class
					from (
						select row_number() over (order by occurred_at, aggregate_version nulls first, event_id) as n,
							verb, category, case when verb <> 'archived' then room_type_id end as type,
							verb in ('created', 'updated', 'archived') as places,
							case when verb in ('created', 'updated', 'archived') or day_from is null
								then (occurred_at at time zone t.zone)::date else day_from end as starts,
							case when verb in ('out_of_order', 'out_of_service') then day_until end as ends
						from analytics_curated.event_property
						where tenant_id = t.tenant_id and entity = 'room' and entity_id = room.room_id
							and (verb <> 'updated' or room_type_id is not null)) e
					where ends is null or ends > starts
				), edge as (
					select day as starts, lead(day) over (order by day) as ends
					from (select starts as day from said union select ends from said where ends is not null) days
				)
				select e.starts, e.ends, (
						select class from said s
						where not s.places and s.starts <= e.starts and (s.ends is null or s.ends > e.starts)
						order by s.n desc
						limit 1) as class
				from edge e
				where t.room_type_id = (
					select type from said s
					where s.places and s.starts <= e.starts
					order by s.n desc
					limit 1)) g
		), step as (
			select day as starts, lead(day) over in_order as ends, sum(rooms) over in_order as rooms,
				sum(out_of_order) over in_order as out_of_order, sum(out_of_service) over in_order as out_of_service,
				sum(closed) over in_order as closed, sum(house_permanent) over in_order as house_permanent
			from (
				select day, sum(sign) as rooms,
					coalesce(sum(sign) filter (where class = 'out_of_order'), 0) as out_of_order,
					coalesce(sum(sign) filter (where class = 'out_of_service'), 0) as out_of_service,
					coalesce(sum(sign) filter (where class = 'closed'), 0) as closed,
					coalesce(sum(sign) filter (where class = 'house_permanent'), 0) as house_permanent
				from (
					select starts as day, 1 as sign, class from segment
					union all
					select ends, -1, class from segment where ends is not null
					union all
					select lower(t.range), 0, null) as ends
				group by day) days
			window in_order as (order by day)
		)
		select lower(r.days) + k as date, s.rooms, s.out_of_order, s.out_of_service, s.closed, s.house_permanent
		from step s
		cross join lateral unnest(t.fill * datemultirange(daterange(s.starts, s.ends))) as r (days)
		cross join lateral generate_series(0, upper(r.days) - lower(r.days) - 1) k) d
	left join lateral (
		select rooms, blocked
		from (
			-- by the day: in order of time, all that was ever said of the type would be read for each
			select *
			from analytics_curated.event_property
			where t.has_days and tenant_id = t.tenant_id and entity = 'day' and entity_id = t.room_type_id
				and day_from = d.date
			offset 0) said
		order by occurred_at desc, aggregate_version desc nulls last, event_id desc
		limit 1) o on true
	where not isempty(t.fill)
), old as materialized (
	select t.tenant_id, t.room_type_id, f.date, f.row_at, f.content
	from target t
	cross join lateral unnest(t.look) as r (days)
	cross join lateral (
		select f.date, f.row_at, (
			f.property_id, f.rooms_total, f.out_of_order, f.out_of_service, f.closed, f.house_permanent,
			f.rooms_available) as content
		from analytics_live.fact_inventory_day f
		where f.tenant_id = t.tenant_id and f.room_type_id = t.room_type_id
			and f.date >= coalesce(lower(r.days), '-infinity') and f.date < coalesce(upper(r.days), 'infinity')
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.date as old_date, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.room_type_id = n.room_type_id and o.date = n.date
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.property_id, n.rooms_total, n.out_of_order, n.out_of_service, n.closed, n.house_permanent,
		n.rooms_available)
), put as (
	insert into analytics_live.fact_inventory_day
		(tenant_id, room_type_id, date, property_id, rooms_total, out_of_order, out_of_service, closed, house_permanent,
		 rooms_available, _batch_id, _updated_at)
	select tenant_id, room_type_id, date, property_id, rooms_total, out_of_order, out_of_service, closed, house_permanent,
		rooms_available, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, room_type_id, date) do update set
		(property_id, rooms_total, out_of_order, out_of_service, closed, house_permanent, rooms_available, _batch_id,
		 _updated_at) =
		(excluded.property_id, excluded.rooms_total, excluded.out_of_order, excluded.out_of_service, excluded.closed,
		 excluded.house_permanent, excluded.rooms_available, excluded._batch_id, excluded._updated_at)
), cut as (
	delete from analytics_live.fact_inventory_day where row_at = any (array(
		select row_at from diff where tenant_id is null))
), cell as materialized (
	select coalesce(tenant_id, old_tenant_id) as tenant_id, coalesce(date, old_date) as day, count(tenant_id) as put,
		count(*) - count(tenant_id) as cut
	from diff
	group by 1, 2
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'fact_inventory_day', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'fact_inventory_day' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
