-- fact_room_night_history as a function of all events of the given keys: the nights that were on the
-- books after each instant at which something was said, and of these the differences.
--
-- What is known after an event, and which nights follow from it, is by the rules of
-- rebuild_reservation.sql; after the last event both say the same. Events of one instant are one
-- change. The books know no difference between expected, in house and stayed. A point at which
-- nothing was said that could move a night is left out before nights are made of it.
--
-- The shape is that of rebuild_reservation.sql: laterals over a key, full joins between sets. Needs
-- lock_unit, in a statement of its own before.
-- $1 tenants text[]
-- $2 keys text[]       reservation ids; keys[i] of tenants[i]
-- $3 first integer     the part of the arrays to rebuild: so a failing key is found by bisection
-- $4 last integer
-- rows: 1 (table_name text, upserted bigint, deleted bigint, tenants text[], tenant_upserted bigint[],
--   tenant_deleted bigint[], day_from date[], day_to date[]); the arrays, parallel, are of the tenants
--   whose rows changed, null when none did
with wanted as materialized (
	select tenant_id, key as reservation_id, min(n) as key_n
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
	group by tenant_id, key
), point as materialized (
	select w.tenant_id, w.reservation_id, w.key_n, p.*
	from wanted w
	cross join lateral (
		select p.*, row_number() over in_order as point, lead(p.known_at) over in_order as next_at
		from (
			select p.*, lag(p.said) over (order by p.n) as said_before
			from (
				select p.*,
					(p.counted, p.left_on, p.items_n, p.rates_n, p.stay_start, p.stay_end, p.property_id, p.channel,
						p.market_segment, p.rate_plan_id) as said
				from (
					select k.*, k.based and k.verb in ('confirmed', 'checked_in', 'checked_out') as counted,
						case when k.verb = 'checked_out' then nullif(k.departed, 'infinity') end as left_on,
						k.stay_alone and k.item_id is not null as moved
					from (
						select e.n, e.occurred_at as known_at, max(e.batch_id) over () as batch_id,
							lead(e.occurred_at) over so_far is distinct from e.occurred_at as is_last,
							bool_or(e.verb in ('confirmed', 'held')) over so_far as based,
							analytics_run.last_given(e.verb) filter (where e.verb not in ('modified', 'dates_changed'))
								over so_far as verb,
							analytics_run.last_given(coalesce(e.actual_departure, 'infinity'))
								filter (where e.verb = 'checked_out') over so_far as departed,
							analytics_run.last_given(e.property_id) over so_far as property_id,
							coalesce(analytics_run.last_given(e.channel) over so_far, 'unknown') as channel,
							analytics_run.last_given(e.market_segment) over so_far as market_segment,
							analytics_run.last_given(e.rate_plan_id) over so_far as rate_plan_id,
							analytics_run.last_given(e.stay_start) over so_far as stay_start,
							analytics_run.last_given(e.stay_end) over so_far as stay_end,
							analytics_run.last_given(e.item_id is null) filter (where e.stay_start is not null)
								over so_far as stay_alone,
							analytics_run.last_given(e.n) filter (where e.night_item is not null) over so_far as rates_n,
							analytics_run.last_given(e.n) filter (where e.item_id is not null) over so_far as items_n,
							analytics_run.last_given(e.item_id) over so_far as item_id,
							analytics_run.last_given(e.item_type) over so_far as item_type,
							analytics_run.last_given(e.item_kind) over so_far as item_kind,
							analytics_run.last_given(e.item_start) over so_far as item_start,
							analytics_run.last_given(e.item_end) over so_far as item_end,
							analytics_run.last_given(e.item_currency) over so_far as item_currency,
							analytics_run.last_given(e.night_item) filter (where e.item_id is not null)
								over so_far as night_item,
							analytics_run.last_given(e.night_date) filter (where e.item_id is not null)
								over so_far as night_date,
							analytics_run.last_given(e.night_rate) filter (where e.item_id is not null)
								over so_far as night_rate
						from (
							select e.*, row_number()
								over (order by e.occurred_at, e.aggregate_version nulls first, e.event_id) as n
							from analytics_curated.event_reservation e
							where e.tenant_id = w.tenant_id and e.reservation_id = w.reservation_id
							offset 0) e
						window so_far as (order by e.n rows between unbounded preceding and current row)) k) p
				where p.is_last) p) p
		where p.said_before is distinct from p.said
		window in_order as (order by p.n)) p
), night as materialized (
	select p.tenant_id, p.reservation_id, p.key_n, p.item_id[l.item] collate "C" as item_id, l.date as stay_date, p.point, p.known_at, p.next_at,
		p.property_id, p.item_type[l.item] as room_type_id, p.channel, p.market_segment, p.rate_plan_id,
		case when l.day_use then 'day_use' else p.item_kind[l.item] end as kind, l.rate as rate_micro,
		p.item_currency[l.item] as currency, p.batch_id
	from point p
	-- what a moved stay may take its rates from
	left join lateral (
		select array_agg(e.n) as n, array_agg(r.item) as item, array_agg(r.date) as date, array_agg(r.rate) as rate
		from (
			select e.*, row_number() over (order by e.occurred_at, e.aggregate_version nulls first, e.event_id) as n
			from analytics_curated.event_reservation e
			where p.moved and e.tenant_id = p.tenant_id and e.reservation_id = p.reservation_id
			offset 0) e
		cross join lateral unnest(e.night_item, e.night_date, e.night_rate) as r (item, date, rate)
		where e.n between p.items_n and p.n and (e.n = p.items_n) = (r.item > 0) and r.rate is not null) given on true
	cross join lateral (
		select item, date, rate, p.item_start[item] = p.item_end[item] or p.item_kind[item] = 'day_use' as day_use
		from unnest(p.night_item, p.night_date, p.night_rate) as r (item, date, rate)
		where not p.moved
		union all
		select i.n, p.stay_start + k, r.rate, p.stay_start = p.stay_end or i.kind = 'day_use'
		from unnest(p.item_kind) with ordinality as i (kind, n)
		cross join lateral generate_series(0,
			case when i.kind = 'day_use' then 0 else greatest(p.stay_end - p.stay_start, 1) - 1 end) k
		left join lateral (
			select r.rate
			from unnest(given.n, given.item, given.date, given.rate) as r (n, item, date, rate)
			where r.item in (i.n, 0)
			order by r.date = p.stay_start + k desc, r.date < p.stay_start + k desc, abs(r.date - (p.stay_start + k)),
				r.n desc
			limit 1) r on true
		where p.moved) l
	where p.counted
		and (p.left_on is null or l.date < p.left_on or (l.day_use and l.date = p.left_on))
), compared as (
	select n.*,
		n.point = lag(n.point) over line + 1 and n.content is not distinct from lag(n.content) over line as was_there,
		n.point = lead(n.point) over line - 1 and n.content is not distinct from lead(n.content) over line as stays
	from (
		select n.*, (n.property_id, n.room_type_id, n.channel, n.market_segment, n.rate_plan_id, n.kind, n.rate_micro,
			n.currency) as content
		from night n) n
	window line as (partition by n.key_n, n.item_id, n.stay_date order by n.point)
), history as (
	select c.tenant_id, c.reservation_id, c.item_id, c.stay_date, d.known_at, d.rooms_delta, c.property_id, c.room_type_id,
		c.channel, c.market_segment, c.rate_plan_id, c.kind, d.rooms_delta * c.rate_micro as rate_delta_micro, c.currency,
		c.batch_id
	from compared c
	cross join lateral (
		select c.known_at, 1::smallint as rooms_delta where c.was_there is not true
		union all
		select c.next_at, -1::smallint where c.next_at is not null and c.stays is not true) d
), old_history as materialized (
	select w.tenant_id, w.reservation_id, f.item_id, f.stay_date, f.known_at, f.rooms_delta, f.row_at, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.item_id, f.stay_date, f.known_at, f.rooms_delta, (f.property_id, f.room_type_id, f.channel,
			f.market_segment, f.rate_plan_id, f.kind, f.rate_delta_micro, f.currency) as content
		from analytics_live.fact_room_night_history f
		where f.tenant_id = w.tenant_id and f.reservation_id = w.reservation_id
		offset 0) f
), diff_history as materialized (
	select h.*, o.tenant_id as old_tenant_id, o.stay_date as old_stay_date, o.row_at
	from history h
	full join old_history o on o.tenant_id = h.tenant_id and o.reservation_id = h.reservation_id
		and o.item_id = h.item_id and o.stay_date = h.stay_date and o.known_at = h.known_at
		and o.rooms_delta = h.rooms_delta
	where h.tenant_id is null or o.tenant_id is null or o.content *<> (h.property_id, h.room_type_id, h.channel,
		h.market_segment, h.rate_plan_id, h.kind, h.rate_delta_micro, h.currency)
), put_history as (
	insert into analytics_live.fact_room_night_history
		(tenant_id, reservation_id, item_id, stay_date, known_at, rooms_delta, property_id, room_type_id, channel,
		 market_segment, rate_plan_id, kind, rate_delta_micro, currency, _batch_id, _updated_at)
	select tenant_id, reservation_id, item_id, stay_date, known_at, rooms_delta, property_id, room_type_id, channel,
		market_segment, rate_plan_id, kind, rate_delta_micro, currency, batch_id, now()
	from diff_history
	where tenant_id is not null
	on conflict (tenant_id, reservation_id, item_id, stay_date, known_at, rooms_delta) do update set
		(property_id, room_type_id, channel, market_segment, rate_plan_id, kind, rate_delta_micro, currency, _batch_id,
		 _updated_at) =
		(excluded.property_id, excluded.room_type_id, excluded.channel, excluded.market_segment, excluded.rate_plan_id,
		 excluded.kind, excluded.rate_delta_micro, excluded.currency, excluded._batch_id, excluded._updated_at)
), cut_history as (
	delete from analytics_live.fact_room_night_history where row_at = any (array(
		select row_at from diff_history where tenant_id is null))
), cell as materialized (
	select coalesce(tenant_id, old_tenant_id) as tenant_id, coalesce(stay_date, old_stay_date) as day,
		count(tenant_id) as put, count(*) - count(tenant_id) as cut
	from diff_history
	group by 1, 2
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'fact_room_night_history', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'fact_room_night_history' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
