-- fact_funnel as a function of all events of the given hand-offs and sessions, of the tenant's properties
-- and of the reservations that came of them. What the meta search says counts once the tenant that it
-- names has the property; what it says of other tenants in the same session is not even read.
--
--   * a hand-off is a row; its session is the one that initiated it, else the one that consumed it
--   * steps that name no hand-off join by session and property: to the last hand-off before them, and
--     to a row of the session where there is none. So does a click to the hand-off after it: the last
--     one within 30 days counts
--   * clicks that led to no hand-off are one row for each session and property
--   * confirmed and cancelled are those of the reservation: converted to, else made with the hand-off
--
-- Needs lock_unit, in a statement of its own before. The shape: see rebuild_reservation.sql.
-- $1 tenants text[]
-- $2 keys text[]  as of append_funnel.sql; keys[i] of tenants[i]
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with given as materialized (
	select distinct tenant_id, left(key, 1) as kind, substr(key, 2) as id
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
), seed as materialized (
	select distinct g.tenant_id, s.handoff_id, s.session_id
	from given g
	cross join lateral (
		select case when g.kind = 'h' then g.id end as handoff_id, case when g.kind = 's' then g.id end as session_id
		where g.kind in ('h', 's')
		union all
		select e.handoff_id, e.session_id
		from analytics_curated.event_funnel e
		where g.kind = 'r' and e.owner_id = g.tenant_id and e.reservation_id = g.id
		union all
		select f.handoff_id, f.session_id
		from analytics_live.fact_funnel f
		where g.kind = 'r' and f.tenant_id = g.tenant_id and f.reservation_id = g.id
		union all
		select r.handoff_id, null
		from analytics_curated.fact_reservation r
		where g.kind = 'r' and r.tenant_id = g.tenant_id and r.reservation_id = g.id and r.handoff_id is not null
		offset 0) s
), session as materialized (
	select tenant_id, session_id from seed where session_id is not null
	union
	select s.tenant_id, e.session_id
	from (select distinct tenant_id, handoff_id from seed where handoff_id is not null) s
	cross join lateral (
		select e.session_id
		from analytics_curated.event_funnel e
		where e.owner_id = s.tenant_id and e.handoff_id = s.handoff_id and e.session_id is not null
		offset 0) e
), handoff as materialized (
	select tenant_id, handoff_id from seed where handoff_id is not null
	union
	select s.tenant_id, e.handoff_id
	from session s
	cross join lateral (
		select e.handoff_id
		from analytics_curated.event_funnel e
		where e.session_id = s.session_id and e.owner_id = s.tenant_id and e.handoff_id is not null
		offset 0) e
), event as materialized (
	-- all that the rows are made of: the events of the hand-offs, and of the sessions those without one
	select k.tenant_id, e.event_id, e.occurred_at, e.aggregate_version, e.batch_id, e.verb, e.session_id, e.handoff_id,
		e.property_id, e.reservation_id, e.meta_source, e.tenant_id = '_platform' as shared
	from (
		select tenant_id, handoff_id, null as session_id from handoff
		union all
		select tenant_id, null, session_id from session) k
	cross join lateral (
		select e.*
		from analytics_curated.event_funnel e
		where k.session_id is null and e.owner_id = k.tenant_id and e.handoff_id = k.handoff_id
		union all
		select e.*
		from analytics_curated.event_funnel e
		where k.handoff_id is null and e.session_id = k.session_id and e.owner_id = k.tenant_id and e.handoff_id is null
		offset 0) e
	where e.tenant_id = k.tenant_id or exists (
		select from analytics_curated.dim_property p
		where p.tenant_id = k.tenant_id and p.property_id = e.property_id)
), handed as materialized (
	-- a hand-off of a session that is not being rebuilt is mentioned here only, and left alone
	select h.*
	from (
		select tenant_id, handoff_id,
			(array_agg(session_id) filter (where session_id is not null))[count(session_id)] as session_id,
			(array_agg(property_id order by occurred_at, aggregate_version nulls first, event_id)
				filter (where property_id is not null))[count(property_id)] as property_id,
			coalesce(min(occurred_at) filter (where verb = 'handoff'), min(occurred_at) filter (where verb = 'consumed'),
				min(occurred_at)) as at
		from (
			select *
			from event
			where handoff_id is not null
			order by tenant_id, handoff_id, array_position('{consumed,handoff}'::text[], verb) nulls first, occurred_at,
				aggregate_version nulls first, event_id
			offset 0) in_order
		group by tenant_id, handoff_id) h
	left join session s on s.tenant_id = h.tenant_id and s.session_id = h.session_id
	where h.session_id is null or s.session_id is not null
), loose as materialized (
	-- what names no property goes on with the one before it
	select tenant_id, session_id, event_id, verb, occurred_at, aggregate_version, batch_id, reservation_id, meta_source, shared,
		coalesce(property_id, first_value(property_id) over (
			partition by tenant_id, session_id, said order by occurred_at, aggregate_version nulls first, event_id), '') as property_id
	from (
		select *, count(property_id) over (
			partition by tenant_id, session_id order by occurred_at, aggregate_version nulls first, event_id) as said
		from event
		where handoff_id is null) e
), path as materialized (
	-- the steps of a session at a property in order; hands = hand-offs so far
	select *, count(handoff_id) over so_far as hands, count(handoff_id) over whole as hands_in_all
	from (
		select tenant_id, session_id, property_id, verb, occurred_at, aggregate_version, event_id, batch_id, reservation_id,
			meta_source, shared, null as handoff_id, case when verb = 'click' then 0 else 2 end as turn
		from loose
		union all
		select tenant_id, session_id, coalesce(property_id, ''), 'hand', at, null, handoff_id, null, null, null, null,
			handoff_id, 1
		from handed
		where session_id is not null) e
	window whole as (partition by tenant_id, session_id, property_id),
		so_far as (partition by tenant_id, session_id, property_id
			order by occurred_at, turn, aggregate_version nulls first, event_id)
), placed as materialized (
	-- every step with the row that it belongs to: a hand-off, or null = its session
	select p.tenant_id, p.session_id, p.property_id, p.verb, p.occurred_at, p.aggregate_version, p.event_id, p.batch_id,
		p.reservation_id, p.meta_source, p.shared,
		case
			when p.verb = 'click' and p.hands < p.hands_in_all then after.handoff_id
			when p.verb <> 'click' and p.hands > 0 then before.handoff_id
		end as handoff_id
	from path p
	left join path before on before.tenant_id = p.tenant_id and before.session_id = p.session_id
		and before.property_id = p.property_id and before.hands = p.hands and before.handoff_id is not null
	left join path after on after.tenant_id = p.tenant_id and after.session_id = p.session_id
		and after.property_id = p.property_id and after.hands = p.hands + 1 and after.handoff_id is not null
	where p.verb <> 'hand'
	union all
	select e.tenant_id, h.session_id, coalesce(h.property_id, ''), e.verb, e.occurred_at, e.aggregate_version, e.event_id,
		e.batch_id, e.reservation_id, e.meta_source, e.shared, e.handoff_id
	from event e
	join handed h on h.tenant_id = e.tenant_id and h.handoff_id = e.handoff_id
), folded as materialized (
	select tenant_id, coalesce(handoff_id, session_id || '/' || property_id) as funnel_id, session_id, handoff_id,
		nullif(property_id, '') as property_id,
		(array_agg(meta_source) filter (where meta_source is not null))[count(meta_source)] as meta_source,
		max(occurred_at) filter (where verb = 'click') as clicked_at,
		min(occurred_at) filter (where verb = 'handoff') as handed_off_at,
		min(occurred_at) filter (where verb = 'consumed') as consumed_at,
		min(occurred_at) filter (where verb = 'draft') as drafted_at,
		min(occurred_at) filter (where verb = 'converted') as converted_at,
		(array_agg(reservation_id) filter (where reservation_id is not null and verb = 'converted'))
			[count(reservation_id) filter (where verb = 'converted')] as reservation_id,
		bool_or(shared) as shared, max(batch_id) as batch_id
	from (
		select *
		from placed
		order by tenant_id, handoff_id, session_id, property_id, occurred_at, aggregate_version nulls first, event_id
		offset 0) in_order
	group by tenant_id, handoff_id, session_id, property_id
), fresh as materialized (
	select f.tenant_id, f.funnel_id, f.session_id, f.handoff_id, f.property_id, f.meta_source, s.searched_at, c.clicked_at,
		f.handed_off_at, f.consumed_at, f.drafted_at, f.converted_at, r.confirmed_at,
		coalesce(f.reservation_id, r.reservation_id) as reservation_id, coalesce(r.status = 'cancelled', false) as cancelled,
		(coalesce(c.clicked_at, f.handed_off_at, f.consumed_at, f.drafted_at, f.converted_at)
			at time zone coalesce(p.timezone, 'UTC'))::date as business_date,
		f.batch_id
	from folded f
	cross join lateral (
		select case when f.handoff_id is null or f.clicked_at >= coalesce(f.handed_off_at, f.consumed_at, f.clicked_at)
			- interval '30 days' then f.clicked_at end as clicked_at) c
	left join lateral (
		select e.occurred_at as searched_at
		from analytics_curated.event_funnel e
		where f.shared and e.session_id = f.session_id and e.owner_id is null and e.verb = 'search'
			and e.tenant_id = '_platform'
			and e.occurred_at <= coalesce(c.clicked_at, f.handed_off_at)
		order by e.occurred_at desc
		limit 1) s on true
	left join lateral (
		select r.reservation_id, r.confirmed_at, r.status
		from (
			select r.reservation_id, r.confirmed_at, r.status, r.booked_at
			from analytics_curated.fact_reservation r
			where r.tenant_id = f.tenant_id and r.reservation_id = f.reservation_id
			union all
			select r.reservation_id, r.confirmed_at, r.status, r.booked_at
			from analytics_curated.fact_reservation r
			where f.reservation_id is null and r.tenant_id = f.tenant_id and r.handoff_id = f.handoff_id
			offset 0) r
		order by r.booked_at, r.reservation_id
		limit 1) r on true
	left join analytics_curated.dim_property p on p.tenant_id = f.tenant_id and p.property_id = f.property_id
), old_key as materialized (
	select h.tenant_id, h.handoff_id as funnel_id from seed h where h.handoff_id is not null
	union
	select h.tenant_id, h.handoff_id from handed h
	union
	select s.tenant_id, f.funnel_id
	from session s
	cross join lateral (
		select f.funnel_id
		from analytics_live.fact_funnel f
		where f.tenant_id = s.tenant_id and f.session_id = s.session_id
		offset 0) f
	union
	select tenant_id, funnel_id from folded
), old as materialized (
	select w.tenant_id, f.funnel_id, f.row_at, f.business_date, f.content
	from old_key w
	cross join lateral (
		select f.row_at, f.funnel_id, f.business_date, (
			f.session_id, f.handoff_id, f.property_id, f.meta_source, f.searched_at, f.clicked_at, f.handed_off_at,
			f.consumed_at, f.drafted_at, f.converted_at, f.confirmed_at, f.reservation_id, f.cancelled, f.business_date) as content
		from analytics_live.fact_funnel f
		where f.tenant_id = w.tenant_id and f.funnel_id = w.funnel_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.business_date as old_business_date, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.funnel_id = n.funnel_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.session_id, n.handoff_id, n.property_id, n.meta_source, n.searched_at, n.clicked_at, n.handed_off_at,
		n.consumed_at, n.drafted_at, n.converted_at, n.confirmed_at, n.reservation_id, n.cancelled, n.business_date)
), put as (
	insert into analytics_live.fact_funnel
		(tenant_id, funnel_id, session_id, handoff_id, property_id, meta_source, searched_at, clicked_at, handed_off_at,
		 consumed_at, drafted_at, converted_at, confirmed_at, reservation_id, cancelled, business_date, _batch_id,
		 _updated_at)
	select tenant_id, funnel_id, session_id, handoff_id, property_id, meta_source, searched_at, clicked_at, handed_off_at,
		consumed_at, drafted_at, converted_at, confirmed_at, reservation_id, cancelled, business_date, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, funnel_id) do update set
		(session_id, handoff_id, property_id, meta_source, searched_at, clicked_at, handed_off_at, consumed_at,
		 drafted_at, converted_at, confirmed_at, reservation_id, cancelled, business_date, _batch_id, _updated_at) =
		(excluded.session_id, excluded.handoff_id, excluded.property_id, excluded.meta_source, excluded.searched_at,
		 excluded.clicked_at, excluded.handed_off_at, excluded.consumed_at, excluded.drafted_at, excluded.converted_at,
		 excluded.confirmed_at, excluded.reservation_id, excluded.cancelled, excluded.business_date, excluded._batch_id,
		 excluded._updated_at)
), cut as (
	delete from analytics_live.fact_funnel where row_at = any (array(
		select row_at from diff where tenant_id is null))
), changed (tenant_id, day, put, cut) as (
	select tenant_id, business_date, 1, 0 from diff where tenant_id is not null
	union all
	select old_tenant_id, old_business_date, 0, (tenant_id is null)::integer from diff
	where old_tenant_id is not null and old_business_date is distinct from business_date
), cell as materialized (
	select tenant_id, day, sum(put) as put, sum(cut) as cut from changed group by tenant_id, day
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'fact_funnel', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'fact_funnel' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
