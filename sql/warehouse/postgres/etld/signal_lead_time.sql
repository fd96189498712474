-- How long before their arrival reservations of the last 52 weeks that are over had been booked: shares
-- of those shown, by classes of days.
-- $1 tenant text
-- $2 least integer  reservations that a group must have; see etld/job/signals.h
-- rows: 1 (found jsonb): [{propertyId, from, to, rows, suppressed}]
with property as materialized (
	select p.property_id, d.today - 364 as day_from, d.today - 1 as day_to
	from analytics_curated.dim_property p
	cross join lateral (select (now() at time zone coalesce(p.timezone, 'UTC'))::date as today) d
	where p.tenant_id = $1::text
), class (lead_days_from, lead_days_to) as (
	values (0, 0), (1, 1), (2, 3), (4, 7), (8, 14), (15, 30), (31, 60), (61, 90), (91, 180), (181, null)
), grouped as (
	select p.property_id, c.lead_days_from, c.lead_days_to, count(*) as reservations
	from property p
	join analytics_curated.fact_reservation f on f.tenant_id = $1::text and f.property_id = p.property_id
		and f.arrival_date between p.day_from and p.day_to
	join class c on greatest(f.lead_time_days, 0) between c.lead_days_from and coalesce(c.lead_days_to, 1000000)
	where f.confirmed_at is not null
	group by 1, 2, 3
), judged as (
	select g.*, g.reservations >= $2::integer and coalesce(sum(g.reservations) over smaller, $2::integer) >= $2::integer as shown
	from grouped g
	window smaller as (partition by g.property_id order by g.reservations, g.lead_days_from
		rows between unbounded preceding and 1 preceding)
), shared as (
	select g.*, round(g.reservations / sum(g.reservations) filter (where g.shown) over (partition by g.property_id), 4) as share
	from judged g
)
select coalesce(jsonb_agg(jsonb_build_object('propertyId', p.property_id, 'from', p.day_from, 'to', p.day_to,
		'rows', s.rows, 'suppressed', s.suppressed) order by p.property_id), '[]') as found
from property p
join (
	select g.property_id, count(*) filter (where not g.shown) as suppressed,
		coalesce(jsonb_agg(jsonb_build_object(
			'lead_days_from', g.lead_days_from, 'lead_days_to', g.lead_days_to, 'share', g.share) order by g.lead_days_from)
			filter (where g.shown), '[]') as rows
	from shared g
	group by g.property_id) s on s.property_id = p.property_id
