-- Raw events of reservations -> analytics_curated.event_reservation: JSON is read here and nowhere
-- else. This file is the assumption about the payloads of melmastoon.reservation.*; what it cannot
-- read in a field is null, and an event without a key, or with absurdly many nights, is set aside in
-- failed_keys as 'event:<dedupe_key>'. Needs lock_unit, take_delta and ensure_guest_keys.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1 (tenants text[], keys text[], events bigint, rejected bigint); the keys of the events that
--   are new here, keys[i] of tenants[i]; null when there are none
with read as materialized (
	select r.tenant_id, r.occurred_at, r.event_id, r.aggregate_version, r.batch_id, r.verb,
		coalesce(analytics_run.id_of(r.p, 'reservationId'),
			case when r.aggregate_id like 'rsv\_%' then analytics_run.canonical_id(r.aggregate_id) end) as reservation_id,
		coalesce(analytics_run.instant_of(r.p, 'at'), r.occurred_at) as at,
		analytics_run.id_of(r.p, 'propertyId') as property_id,
		analytics_run.word_of(r.p, 'channel') as channel,
		analytics_run.word_of(r.p, 'marketSegment') as market_segment,
		analytics_run.id_of(r.p, 'ratePlanId') as rate_plan_id,
		analytics_run.id_of(r.p, 'guestId') as guest_id,
		analytics_run.id_of(r.p, 'handoffId') as handoff_id,
		analytics_run.instant_of(r.p, 'bookedAt') as booked_at,
		analytics_run.to_micro(r.p -> 'total') as total_micro,
		analytics_run.currency_of(r.p -> 'total') as currency,
		analytics_run.word_of(r.p, 'reason') as reason,
		analytics_run.date_of(r.p, 'actualDeparture') as actual_departure,
		coalesce(i.stay_start, s.starts) as stay_start,
		coalesce(i.stay_end, s.ends) as stay_end,
		i.adults, i.children,
		-- an item id must name one item
		case when cardinality(i.item_id) > 1 then array(
			select id || case when row_number() over (partition by id order by n) > 1 then '#' || n else '' end
			from unnest(i.item_id) with ordinality as u (id, n)
			order by n) else i.item_id end as item_id,
		i.item_type, i.item_kind, i.item_start, i.item_end, i.item_currency,
		coalesce(i.night_item, l.night_item) as night_item,
		coalesce(i.night_date, l.night_date) as night_date,
		coalesce(i.night_rate, l.night_rate) as night_rate
	from (
		select e.tenant_id, e.occurred_at, e.dedupe_key as event_id, e.aggregate_version, e.batch_id, e.aggregate_id,
			split_part(e.subject, '.', 3) as verb, analytics_run.payload_of(e.body, e.payload_key) as p
		from events_raw.taken('reservation', $1::bigint[], $2::text[], $3::text, $4::text) e
		where e.subject in ('melmastoon.reservation.held.v1', 'melmastoon.reservation.hold_expired.v1',
				'melmastoon.reservation.confirmed.v1', 'melmastoon.reservation.modified.v1',
				'melmastoon.reservation.dates_changed.v1', 'melmastoon.reservation.cancelled.v1',
				'melmastoon.reservation.no_show.v1', 'melmastoon.reservation.checked_in.v1',
				'melmastoon.reservation.checked_out.v1')
		-- a fence, here and below: without it an expression would run again wherever it is used
		offset 0) r
	-- the stay of the event itself; longer than three years or backwards is no stay
	left join lateral (
		select starts, ends
		from (
			select analytics_run.date_of(r.p -> 'stay', 'start') as starts,
				analytics_run.date_of(r.p -> 'stay', 'end') as ends) d
		where ends - starts between 0 and 1100) s on true
	-- a condition that gates a subquery stands in it, behind a fence: on a join it would be looked at last. And
	-- what is aggregated is in order: an `order by` in each aggregate would be a sort for each, in every event
	left join lateral (
		select *
		from (
			select array_agg(item.id) as item_id, array_agg(item.type) as item_type, array_agg(item.kind) as item_kind,
				array_agg(item.starts) as item_start, array_agg(item.ends) as item_end,
				array_agg(item.currency) as item_currency, min(item.starts) as stay_start, max(item.ends) as stay_end,
				sum(item.adults) as adults, sum(item.children) as children,
				coalesce(analytics_run.array_join(night.item), '{}') as night_item,
				coalesce(analytics_run.array_join(night.date), '{}') as night_date,
				coalesce(analytics_run.array_join(night.rate), '{}') as night_rate
			from (
				select i.n, coalesce(analytics_run.id_of(i.item, 'itemId'), '#' || i.n) as id,
					analytics_run.id_of(i.item, 'roomTypeId') as type,
					case when i.item ->> 'kind' in ('complimentary', 'house_use', 'day_use')
						then i.item ->> 'kind' else 'sold' end as kind,
					case when d.ends - d.starts between 0 and 1100 then d.starts end as starts,
					case when d.ends - d.starts between 0 and 1100 then d.ends end as ends,
					analytics_run.array_of(i.item, 'nightlyRates') as rates,
					coalesce(analytics_run.currency_of(i.item -> 'nightlyRates' -> 0 -> 'amount'),
						analytics_run.currency_of(r.p -> 'total')) as currency,
					analytics_run.count_of(i.item, 'adults') as adults,
					analytics_run.count_of(i.item, 'children') as children
				from jsonb_array_elements(r.p -> 'items') with ordinality as i (item, n)
				cross join lateral (
					select coalesce(analytics_run.date_of(i.item -> 'stay', 'start'), s.starts) as starts,
						coalesce(analytics_run.date_of(i.item -> 'stay', 'end'), s.ends) as ends
					offset 0) d
				where i.n <= 500
				order by i.n
				offset 0) item
			-- one row a night; a day-use item has one, on its day. Rates usually stand in order.
			left join lateral (
				select array_agg(day.item) as item, array_agg(day.date) as date,
					array_agg(case
						when analytics_run.date_of(item.rates -> day.k, 'date') = day.date
						then analytics_run.to_micro(item.rates -> day.k -> 'amount')
						else (
							select analytics_run.to_micro(rate -> 'amount')
							from jsonb_array_elements(item.rates) with ordinality as given (rate, n)
							where n <= 1100 and analytics_run.date_of(rate, 'date') = day.date
							order by n
							limit 1)
					end) as rate
				from (
					select k, item.n::smallint as item, item.starts + k as date
					from generate_series(0,
						case when item.kind = 'day_use' then 0 else greatest(item.ends - item.starts, 1) - 1 end) k
					offset 0) day
			) night on item.starts is not null
			offset 0) given
		where jsonb_typeof(r.p -> 'items') = 'array'
		offset 0) i on true
	-- rates without items (dates_changed): they hold for every item
	left join lateral (
		select *
		from (
			select array_agg(0::smallint) as night_item, array_agg(day) as night_date, array_agg(rate) as night_rate
			from (
				select distinct on (day) day, rate
				from (
					select analytics_run.date_of(g.rate, 'date') as day, analytics_run.to_micro(g.rate -> 'amount') as rate, n
					from jsonb_array_elements(r.p -> 'nightlyRates') with ordinality as g (rate, n)
					where n <= 1100) given
				where day is not null and rate is not null
				order by day, n) u
			offset 0) given
		where i.item_id is null and jsonb_typeof(r.p -> 'nightlyRates') = 'array'
		offset 0) l on true
), bad as (
	insert into analytics_run.failed_keys as f (consumer, tenant_id, key, error)
	select 'reservation', tenant_id, 'event:' || event_id,
		case when reservation_id is null then 'no reservationId' else 'more than 5000 nights' end
	from read
	where reservation_id is null or cardinality(night_date) > 5000
	on conflict (consumer, tenant_id, key) do update set
		error = excluded.error, attempts = f.attempts + 1, last_failed_at = now()
	returning 1
), added as (
	insert into analytics_curated.event_reservation
		(tenant_id, reservation_id, occurred_at, event_id, aggregate_version, batch_id, verb, at, property_id, channel,
		 market_segment, rate_plan_id, guest_key, handoff_id, booked_at, total_micro, currency, reason, actual_departure,
		 stay_start, stay_end, adults, children, item_id, item_type, item_kind, item_start, item_end, item_currency,
		 night_item, night_date, night_rate)
	select r.tenant_id, r.reservation_id, r.occurred_at, r.event_id, r.aggregate_version, r.batch_id, r.verb, r.at,
		r.property_id, r.channel, r.market_segment, r.rate_plan_id, analytics_run.guest_key_of(g.key, r.guest_id),
		r.handoff_id, r.booked_at, r.total_micro, r.currency, r.reason, r.actual_departure, r.stay_start, r.stay_end,
		r.adults, r.children, r.item_id, r.item_type, r.item_kind, r.item_start, r.item_end, r.item_currency,
		r.night_item, r.night_date, r.night_rate
	from read r
	left join analytics_run.guest_key g on g.tenant_id = r.tenant_id
	where r.reservation_id is not null and coalesce(cardinality(r.night_date), 0) <= 5000
	order by r.tenant_id, r.reservation_id, r.occurred_at, r.event_id
	on conflict (tenant_id, reservation_id, occurred_at, event_id) do nothing
	returning tenant_id, reservation_id
), touched as (
	select distinct tenant_id, reservation_id from added
)
select array_agg(tenant_id order by tenant_id, reservation_id) as tenants,
	array_agg(reservation_id order by tenant_id, reservation_id) as keys,
	(select count(*) from added) as events, (select count(*) from bad) as rejected
from touched
