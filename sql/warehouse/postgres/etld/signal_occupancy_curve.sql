-- How a night fills: what was on the books so many days before it (at the end of that day, by the
-- property's clock) against the rooms there are, over the stay dates of the last 52 weeks that are over.
-- $1 tenant text
-- $2 least integer  reservations that a group must have; see etld/job/signals.h
-- rows: 1 (found jsonb): [{propertyId, from, to, rows, suppressed}]
with property as materialized (
	select p.property_id, d.today - 364 as day_from, d.today - 1 as day_to, coalesce(p.timezone, 'UTC') as timezone
	from analytics_curated.dim_property p
	cross join lateral (select (now() at time zone coalesce(p.timezone, 'UTC'))::date as today) d
	where p.tenant_id = $1::text
), lead (lead_days) as (
	values (0), (1), (2), (3), (5), (7), (14), (21), (30), (45), (60), (90), (120), (180), (365)
), available as (
	select p.property_id, sum(i.rooms_available) as rooms
	from property p
	join analytics_curated.fact_inventory_day i on i.tenant_id = $1::text and i.property_id = p.property_id
		and i.date between p.day_from and p.day_to
	group by 1
), change as (
	select p.property_id, f.reservation_id, f.stay_date - (f.known_at at time zone p.timezone)::date as lead_days,
		sum(f.rooms_delta) as rooms
	from property p
	join analytics_curated.fact_room_night_history f on f.tenant_id = $1::text and f.property_id = p.property_id
		and f.stay_date between p.day_from and p.day_to
	where f.kind = 'sold'
	group by 1, 2, 3
), known as (
	select c.property_id, l.lead_days, c.reservation_id, sum(c.rooms) as rooms
	from change c
	join lead l on c.lead_days >= l.lead_days
	group by 1, 2, 3
), judged as (
	select k.property_id, k.lead_days, sum(k.rooms) as nights, count(*) filter (where k.rooms > 0) >= $2::integer as shown
	from known k
	where k.rooms <> 0
	group by 1, 2
)
select coalesce(jsonb_agg(jsonb_build_object('propertyId', p.property_id, 'from', p.day_from, 'to', p.day_to,
		'rows', s.rows, 'suppressed', s.suppressed) order by p.property_id), '[]') as found
from property p
join (
	select g.property_id, count(*) filter (where not g.shown) as suppressed,
		coalesce(jsonb_agg(jsonb_build_object(
			'lead_days', g.lead_days, 'occupancy_pct', round(g.nights::numeric / nullif(a.rooms, 0), 4)) order by g.lead_days)
			filter (where g.shown), '[]') as rows
	from judged g
	left join available a using (property_id)
	group by g.property_id) s on s.property_id = p.property_id
