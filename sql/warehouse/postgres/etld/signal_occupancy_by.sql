-- Occupancy by a part of the date, over the last days that are over.
-- $1 tenant text
-- $2 least integer  reservations that a group must have; see etld/job/signals.h
-- $3 part text      day_of_week (1 = Monday) or month
-- $4 days integer
-- rows: 1 (found jsonb): [{propertyId, from, to, rows, suppressed}]
with property as materialized (
	select p.property_id, d.today - $4::integer as day_from, d.today - 1 as day_to,
		case $3::text when 'day_of_week' then 'isodow' else 'month' end as field
	from analytics_curated.dim_property p
	cross join lateral (select (now() at time zone coalesce(p.timezone, 'UTC'))::date as today) d
	where p.tenant_id = $1::text
), available as (
	select p.property_id, date_part(p.field, i.date)::integer as part, sum(i.rooms_available) as rooms
	from property p
	join analytics_curated.fact_inventory_day i on i.tenant_id = $1::text and i.property_id = p.property_id
		and i.date between p.day_from and p.day_to
	group by 1, 2
), grouped as (
	select p.property_id, date_part(p.field, f.stay_date)::integer as part, count(*) as nights,
		count(distinct f.reservation_id) as reservations
	from property p
	join analytics_curated.fact_room_night f on f.tenant_id = $1::text and f.property_id = p.property_id
		and f.stay_date between p.day_from and p.day_to
	where f.kind = 'sold' and f.state in ('on_books', 'in_house', 'stayed')
	group by 1, 2
), judged as (
	select g.*, g.reservations >= $2::integer and coalesce(sum(g.reservations) over smaller, $2::integer) >= $2::integer as shown
	from grouped g
	window smaller as (partition by g.property_id order by g.reservations, g.part
		rows between unbounded preceding and 1 preceding)
)
select coalesce(jsonb_agg(jsonb_build_object('propertyId', p.property_id, 'from', p.day_from, 'to', p.day_to,
		'rows', s.rows, 'suppressed', s.suppressed) order by p.property_id), '[]') as found
from property p
join (
	select g.property_id, count(*) filter (where not g.shown) as suppressed,
		coalesce(jsonb_agg(jsonb_build_object(
			$3::text, g.part, 'occupancy_pct', round(g.nights::numeric / nullif(a.rooms, 0), 4)) order by g.part)
			filter (where g.shown), '[]') as rows
	from judged g
	left join available a using (property_id, part)
	group by g.property_id) s on s.property_id = p.property_id
