-- fact_reservation and fact_room_night as functions of all events of the given keys: whatever came
-- late, twice or out of order, the rows are those of a rebuild from nothing.
--
-- The events of a key in order (occurred_at, aggregate_version nulls first, event_id):
--   * an attribute is the last one given; the status is the last lifecycle event
--   * the items are the last ones given; a later stay without items moves every item to it, and a
--     night takes the rate last given for its date, else the item's rate of the nearest date before,
--     else after
--   * no row without `confirmed` or `held`; no nights while only held
-- Rows that come out as they are stay untouched. Needs lock_unit, in a statement of its own before.
--
-- The shape is on purpose independent of statistics: whatever belongs to one key is a lateral over
-- the key (so a nested loop on an index, never a scan), and whole sets meet in full joins (so by
-- hash or merge, never in a loop over each other).
-- $1 tenants text[]
-- $2 keys text[]       reservation ids; keys[i] of tenants[i]
-- $3 first integer     the part of the arrays to rebuild: so a failing key is found by bisection
-- $4 last integer
-- rows: 2 (table_name text, upserted bigint, deleted bigint, tenants text[], tenant_upserted bigint[],
--   tenant_deleted bigint[], day_from date[], day_to date[]); the arrays, parallel, are of the tenants
--   whose rows changed, null when none did; the days are null when no row that changed has one
with wanted as materialized (
	select distinct tenant_id, key as reservation_id
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
), folded as materialized (
	select w.tenant_id, w.reservation_id, f.*
	from wanted w
	cross join lateral (
		select
			(array_agg(verb) filter (where lifecycle))[count(*) filter (where lifecycle)] as last_verb,
			(array_agg(at) filter (where lifecycle))[count(*) filter (where lifecycle)] as last_at,
			(array_agg(at) filter (where verb = 'checked_in'))[count(*) filter (where verb = 'checked_in')] as checked_in_at,
			(array_agg(reason) filter (where verb = 'cancelled'))[count(*) filter (where verb = 'cancelled')] as cancel_reason,
			(array_agg(actual_departure) filter (where verb = 'checked_out'))
				[count(*) filter (where verb = 'checked_out')] as actual_departure,
			min(occurred_at) filter (where verb = 'confirmed') as confirmed_at,
			min(occurred_at) filter (where verb in ('confirmed', 'held')) as base_at,
			(array_agg(booked_at) filter (where booked_at is not null))[count(booked_at)] as booked_at,
			(array_agg(property_id) filter (where property_id is not null))[count(property_id)] as property_id,
			(array_agg(channel) filter (where channel is not null))[count(channel)] as channel,
			(array_agg(market_segment) filter (where market_segment is not null))[count(market_segment)] as market_segment,
			(array_agg(rate_plan_id) filter (where rate_plan_id is not null))[count(rate_plan_id)] as rate_plan_id,
			(array_agg(guest_key) filter (where guest_key is not null))[count(guest_key)] as guest_key,
			(array_agg(handoff_id) filter (where handoff_id is not null))[count(handoff_id)] as handoff_id,
			(array_agg(total_micro) filter (where total_micro is not null))[count(total_micro)] as total_micro,
			(array_agg(currency) filter (where total_micro is not null))[count(total_micro)] as total_currency,
			(array_agg(stay_start) filter (where stay_start is not null))[count(stay_start)] as stay_start,
			(array_agg(stay_end) filter (where stay_start is not null))[count(stay_start)] as stay_end,
			(array_agg(item_id is null) filter (where stay_start is not null))[count(stay_start)] as stay_alone,
			(array_agg(adults) filter (where adults is not null))[count(adults)] as adults,
			(array_agg(children) filter (where children is not null))[count(children)] as children,
			array_agg(event) filter (where item_id is not null or night_item is not null) as rated,
			count(*) filter (where verb in ('modified', 'dates_changed')) as modifications,
			max(occurred_at) as last_event_at, max(batch_id) as batch_id
		from (
			select e.*, e as event, e.verb not in ('modified', 'dates_changed') as lifecycle
			from analytics_curated.event_reservation e
			where e.tenant_id = w.tenant_id and e.reservation_id = w.reservation_id
			order by e.occurred_at, e.aggregate_version nulls first, e.event_id
			offset 0) in_order
		having bool_or(verb in ('confirmed', 'held'))) f
), stay as materialized (
	select f.tenant_id, f.reservation_id, f.property_id, coalesce(f.channel, 'unknown') as channel, f.market_segment,
		f.rate_plan_id, case when x.guest_key is null then f.guest_key end as guest_key, f.handoff_id,
		case f.last_verb when 'hold_expired' then 'expired' else f.last_verb end as status, f.last_at, f.checked_in_at,
		f.cancel_reason, f.confirmed_at, b.booked_at,
		(b.booked_at at time zone coalesce(p.timezone, 'UTC'))::date as booking_date,
		case when f.last_verb = 'checked_out' then f.actual_departure end as left_on,
		case when f.total_currency is not distinct from c.currency then f.total_micro end as total_micro, c.currency,
		f.stay_start, f.stay_end, f.adults, f.children, f.modifications, f.last_event_at,
		f.batch_id, f.stay_alone and i.item_id is not null as moved, f.rated, i.ordinality as items_n, i.item_id, i.item_type,
		i.item_kind, i.item_start, i.item_end, i.item_currency, i.night_item, i.night_date, i.night_rate
	from folded f
	cross join lateral (select coalesce(f.booked_at, f.confirmed_at, f.base_at) as booked_at) b
	left join lateral (
		select u.ordinality, u.item_id, u.item_type, u.item_kind, u.item_start, u.item_end, u.item_currency,
			u.night_item, u.night_date, u.night_rate
		from unnest(f.rated) with ordinality u
		where u.item_id is not null
		order by u.ordinality desc
		limit 1) i on true
	cross join lateral (select coalesce(i.item_currency[1], f.total_currency) as currency) c
	left join analytics_curated.dim_property p on p.tenant_id = f.tenant_id and p.property_id = f.property_id
	left join analytics_run.erased x on x.tenant_id = f.tenant_id and x.guest_key = f.guest_key
), night as materialized (
	select s.tenant_id, s.reservation_id, s.item_id[l.item] as item_id, l.date as stay_date, s.property_id,
		s.item_type[l.item] as room_type_id, s.channel, s.market_segment, s.rate_plan_id,
		case when l.day_use then 'day_use' else s.item_kind[l.item] end as kind,
		case s.status
			when 'confirmed' then 'on_books'
			when 'checked_in' then 'in_house'
			when 'checked_out' then
				case when s.left_on is null or l.date < s.left_on or (l.day_use and l.date = s.left_on)
				then 'stayed' else 'released' end
			when 'no_show' then case when l.date = l.starts then 'no_show' else 'released' end
			else 'released'
		end as state,
		l.rate as rate_micro, s.item_currency[l.item] as currency, s.booked_at, l.date - s.booking_date as lead_time_days,
		s.currency as reservation_currency, s.batch_id
	from stay s
	cross join lateral (
		select item, date, rate, s.item_start[item] as starts, s.item_start[item] = s.item_end[item]
			or s.item_kind[item] = 'day_use' as day_use
		from unnest(s.night_item, s.night_date, s.night_rate) as r (item, date, rate)
		where not s.moved
		union all
		select i.n, s.stay_start + k, r.rate, s.stay_start, s.stay_start = s.stay_end or i.kind = 'day_use'
		from unnest(s.item_kind) with ordinality as i (kind, n)
		cross join lateral generate_series(0,
			case when i.kind = 'day_use' then 0 else greatest(s.stay_end - s.stay_start, 1) - 1 end) k
		left join lateral (
			select r.rate
			from unnest(s.rated) with ordinality e
			cross join lateral unnest(e.night_item, e.night_date, e.night_rate) as r (item, date, rate)
			where r.rate is not null
				and (e.ordinality = s.items_n and r.item = i.n or e.ordinality > s.items_n and r.item = 0)
			order by r.date = s.stay_start + k desc, r.date < s.stay_start + k desc, abs(r.date - (s.stay_start + k)),
				e.ordinality desc
			limit 1) r on true
		where s.moved) l
	where s.status not in ('held', 'expired')
), revenue as (
	select tenant_id, reservation_id, count(*) as night_rows,
		sum(rate_micro) filter (where currency = reservation_currency and kind = 'sold'
			and state in ('on_books', 'in_house', 'stayed')) as micro
	from night
	group by tenant_id, reservation_id
), reservation as (
	select s.tenant_id, s.reservation_id, s.property_id, s.item_type[1] as room_type_id, s.channel, s.market_segment,
		s.rate_plan_id, s.guest_key, s.handoff_id, s.status, s.booked_at, s.confirmed_at, s.stay_start as arrival_date,
		d.departure_date, d.departure_date - s.stay_start as nights, coalesce(cardinality(s.item_id), 0) as rooms, s.adults,
		s.children, s.stay_start - s.booking_date as lead_time_days, coalesce(r.micro, 0)::bigint as room_revenue_micro,
		s.total_micro, s.currency,
		case when s.status = 'cancelled' then s.last_at end as cancelled_at,
		case when s.status = 'cancelled' then s.cancel_reason end as cancel_reason,
		case when s.status in ('checked_in', 'checked_out') then s.checked_in_at end as checked_in_at,
		case when s.status = 'checked_out' then s.last_at end as checked_out_at,
		case when s.status = 'no_show' then s.last_at end as no_show_at,
		s.modifications::integer as modifications, s.last_event_at,
		coalesce(r.night_rows, 0)::integer as night_rows, s.batch_id
	from stay s
	full join revenue r on r.tenant_id = s.tenant_id and r.reservation_id = s.reservation_id
	cross join lateral (
		select case when s.left_on < s.stay_end
			then greatest(s.left_on, s.stay_start) else s.stay_end end as departure_date) d
), old_reservation as materialized (
	select w.tenant_id, w.reservation_id, f.row_at, f.arrival_date, f.outcome, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.arrival_date, (f.handoff_id, f.confirmed_at, f.status = 'cancelled') as outcome, (f.property_id, f.room_type_id, f.channel, f.market_segment, f.rate_plan_id,
			f.guest_key, f.handoff_id, f.status, f.booked_at, f.confirmed_at, f.arrival_date, f.departure_date, f.nights,
			f.rooms, f.adults, f.children, f.lead_time_days, f.room_revenue_micro, f.total_micro, f.currency,
			f.cancelled_at, f.cancel_reason, f.checked_in_at, f.checked_out_at, f.no_show_at, f.modifications,
			f.last_event_at, f.night_rows) as content
		from analytics_live.fact_reservation f
		where f.tenant_id = w.tenant_id and f.reservation_id = w.reservation_id
		offset 0) f
), diff_reservation as materialized (
	select r.*, o.tenant_id as old_tenant_id, o.reservation_id as old_reservation_id, o.row_at,
		o.arrival_date as old_arrival_date, o.outcome as old_outcome
	from reservation r
	full join old_reservation o on o.tenant_id = r.tenant_id and o.reservation_id = r.reservation_id
	where r.tenant_id is null or o.tenant_id is null or o.content *<> (
		r.property_id, r.room_type_id, r.channel, r.market_segment, r.rate_plan_id, r.guest_key, r.handoff_id, r.status,
		r.booked_at, r.confirmed_at, r.arrival_date, r.departure_date, r.nights,
		r.rooms, r.adults, r.children, r.lead_time_days, r.room_revenue_micro, r.total_micro, r.currency,
		r.cancelled_at, r.cancel_reason, r.checked_in_at, r.checked_out_at, r.no_show_at, r.modifications,
		r.last_event_at, r.night_rows)
), put_reservation as (
	insert into analytics_live.fact_reservation
		(tenant_id, reservation_id, property_id, room_type_id, channel, market_segment, rate_plan_id, guest_key, handoff_id,
		 status, booked_at, confirmed_at, arrival_date, departure_date, nights, rooms, adults, children, lead_time_days,
		 room_revenue_micro, total_micro, currency, cancelled_at, cancel_reason, checked_in_at, checked_out_at, no_show_at,
		 modifications, last_event_at, night_rows, _batch_id, _updated_at)
	select tenant_id, reservation_id, property_id, room_type_id, channel, market_segment, rate_plan_id, guest_key, handoff_id,
		status, booked_at, confirmed_at, arrival_date, departure_date, nights, rooms, adults, children, lead_time_days,
		room_revenue_micro, total_micro, currency, cancelled_at, cancel_reason, checked_in_at, checked_out_at, no_show_at,
		modifications, last_event_at, night_rows, batch_id, now()
	from diff_reservation
	where tenant_id is not null
	on conflict (tenant_id, reservation_id) do update set
		(property_id, room_type_id, channel, market_segment, rate_plan_id, guest_key, handoff_id, status, booked_at,
		 confirmed_at, arrival_date, departure_date, nights, rooms, adults, children, lead_time_days, room_revenue_micro,
		 total_micro, currency, cancelled_at, cancel_reason, checked_in_at, checked_out_at, no_show_at, modifications,
		 last_event_at, night_rows, _batch_id, _updated_at) =
		(excluded.property_id, excluded.room_type_id, excluded.channel, excluded.market_segment, excluded.rate_plan_id,
		 excluded.guest_key, excluded.handoff_id, excluded.status, excluded.booked_at, excluded.confirmed_at,
		 excluded.arrival_date, excluded.departure_date, excluded.nights, excluded.rooms, excluded.adults,
		 excluded.children, excluded.lead_time_days, excluded.room_revenue_micro, excluded.total_micro,
		 excluded.currency, excluded.cancelled_at, excluded.cancel_reason, excluded.checked_in_at,
		 excluded.checked_out_at, excluded.no_show_at, excluded.modifications, excluded.last_event_at,
		 excluded.night_rows, excluded._batch_id, excluded._updated_at)
), cut_reservation as (
	delete from analytics_live.fact_reservation where row_at = any (array(
		select row_at from diff_reservation where tenant_id is null))
), came_of as (
	-- fact_funnel says what became of a hand-off. Always touched, also where none is known yet: the
	-- other side may be adding it in a transaction that cannot be seen from here
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select 'funnel', coalesce(tenant_id, old_tenant_id), 'key', 'r' || coalesce(reservation_id, old_reservation_id)
	from diff_reservation
	where tenant_id is null or old_tenant_id is null and confirmed_at is not null
		or old_outcome *<> (handoff_id, confirmed_at, status = 'cancelled')
), old_night as materialized (
	select w.tenant_id, w.reservation_id, f.item_id, f.stay_date, f.row_at, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.item_id, f.stay_date, (f.property_id, f.room_type_id, f.channel, f.market_segment,
			f.rate_plan_id, f.kind, f.state, f.rate_micro, f.currency, f.booked_at, f.lead_time_days) as content
		from analytics_live.fact_room_night f
		where f.tenant_id = w.tenant_id and f.reservation_id = w.reservation_id
		offset 0) f
), diff_night as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.stay_date as old_stay_date, o.row_at
	from night n
	full join old_night o on o.tenant_id = n.tenant_id and o.reservation_id = n.reservation_id
		and o.item_id = n.item_id and o.stay_date = n.stay_date
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.property_id, n.room_type_id, n.channel, n.market_segment, n.rate_plan_id, n.kind, n.state,
		n.rate_micro, n.currency, n.booked_at, n.lead_time_days)
), put_night as (
	insert into analytics_live.fact_room_night
		(tenant_id, reservation_id, item_id, stay_date, property_id, room_type_id, channel, market_segment, rate_plan_id,
		 kind, state, rate_micro, currency, booked_at, lead_time_days, _batch_id, _updated_at)
	select tenant_id, reservation_id, item_id, stay_date, property_id, room_type_id, channel, market_segment, rate_plan_id,
		kind, state, rate_micro, currency, booked_at, lead_time_days, batch_id, now()
	from diff_night
	where tenant_id is not null
	on conflict (tenant_id, reservation_id, item_id, stay_date) do update set
		(property_id, room_type_id, channel, market_segment, rate_plan_id, kind, state, rate_micro, currency, booked_at,
		 lead_time_days, _batch_id, _updated_at) =
		(excluded.property_id, excluded.room_type_id, excluded.channel, excluded.market_segment, excluded.rate_plan_id,
		 excluded.kind, excluded.state, excluded.rate_micro, excluded.currency, excluded.booked_at,
		 excluded.lead_time_days, excluded._batch_id, excluded._updated_at)
), cut_night as (
	delete from analytics_live.fact_room_night where row_at = any (array(
		select row_at from diff_night where tenant_id is null))
), changed (table_name, tenant_id, day, put, cut) as (
	select 'fact_reservation', tenant_id, arrival_date, 1, 0 from diff_reservation where tenant_id is not null
	union all
	select 'fact_reservation', old_tenant_id, old_arrival_date, 0, (tenant_id is null)::integer from diff_reservation
	where old_tenant_id is not null and old_arrival_date is distinct from arrival_date
	union all
	select 'fact_room_night', coalesce(tenant_id, old_tenant_id), coalesce(stay_date, old_stay_date),
		(tenant_id is not null)::integer, (tenant_id is null)::integer
	from diff_night
), cell as materialized (
	select table_name, tenant_id, day, sum(put) as put, sum(cut) as cut
	from changed
	group by table_name, tenant_id, day
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, table_name, coalesce(day, date '1970-01-01') from cell
), impact as (
	select table_name, tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from,
		max(day) as day_to
	from cell
	group by table_name, tenant_id
)
select t.table_name, i.upserted, i.deleted, i.tenants, i.tenant_upserted, i.tenant_deleted, i.day_from, i.day_to
from (values ('fact_reservation'), ('fact_room_night')) as t (table_name)
cross join lateral (
	select coalesce(sum(upserted), 0)::bigint as upserted, coalesce(sum(deleted), 0)::bigint as deleted,
		array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted, array_agg(deleted) as tenant_deleted,
		array_agg(day_from) as day_from, array_agg(day_to) as day_to
	from impact
	where impact.table_name = t.table_name) i
