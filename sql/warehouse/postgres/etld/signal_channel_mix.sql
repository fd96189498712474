-- Shares of channels in the nights of the last 52 weeks that are over: of those shown, so that nothing
-- follows for the others; the 20 largest at most.
-- $1 tenant text
-- $2 least integer  reservations that a group must have; see etld/job/signals.h
-- rows: 1 (found jsonb): [{propertyId, from, to, rows, suppressed}]
with property as materialized (
	select p.property_id, d.today - 364 as day_from, d.today - 1 as day_to
	from analytics_curated.dim_property p
	cross join lateral (select (now() at time zone coalesce(p.timezone, 'UTC'))::date as today) d
	where p.tenant_id = $1::text
), grouped as (
	select p.property_id, f.channel, count(*) as nights, count(distinct f.reservation_id) as reservations
	from property p
	join analytics_curated.fact_room_night f on f.tenant_id = $1::text and f.property_id = p.property_id
		and f.stay_date between p.day_from and p.day_to
	where f.kind = 'sold' and f.state in ('on_books', 'in_house', 'stayed')
	group by 1, 2
), judged as (
	select g.*, g.reservations >= $2::integer and coalesce(sum(g.reservations) over smaller, $2::integer) >= $2::integer as shown
	from grouped g
	window smaller as (partition by g.property_id order by g.reservations, g.channel
		rows between unbounded preceding and 1 preceding)
), ranked as (
	select g.property_id, g.channel, g.nights,
		g.shown and row_number() over (partition by g.property_id, g.shown order by g.nights desc, g.channel) <= 20 as shown
	from judged g
), shared as (
	select g.*, round(g.nights / nullif(sum(g.nights) filter (where g.shown) over (partition by g.property_id), 0), 4) as share
	from ranked g
)
select coalesce(jsonb_agg(jsonb_build_object('propertyId', p.property_id, 'from', p.day_from, 'to', p.day_to,
		'rows', s.rows, 'suppressed', s.suppressed) order by p.property_id), '[]') as found
from property p
join (
	select g.property_id, count(*) filter (where not g.shown) as suppressed,
		coalesce(jsonb_agg(jsonb_build_object(
			'channel', g.channel, 'channel_mix', g.share) order by g.share desc, g.channel)
			filter (where g.shown), '[]') as rows
	from shared g
	group by g.property_id) s on s.property_id = p.property_id
