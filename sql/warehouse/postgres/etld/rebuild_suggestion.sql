-- fact_ai_suggestion as a function of all events of the given suggestions and of the inferences behind
-- them. An inference that no decision names is a row by itself, under its request: produced, not shown.
-- Keys of forecasts are passed over. First of the two rebuilds of its consumer.
-- Needs lock_unit, in a statement of its own before. The shape: see rebuild_reservation.sql.
-- $1 tenants text[]
-- $2 keys text[]  as of append_ai.sql; keys[i] of tenants[i]
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with given as materialized (
	select distinct tenant_id, substr(key, 2) as id
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer and key like 's%'
), wanted as materialized (
	-- the id itself, the suggestions that came of it, and the request that it came of
	select distinct g.tenant_id, s.suggestion_id
	from given g
	cross join lateral (
		select g.id as suggestion_id
		union all
		select e.suggestion_id
		from analytics_curated.event_ai e
		where e.tenant_id = g.tenant_id and e.request_id = g.id
		union all
		select e.request_id
		from analytics_curated.event_ai e
		where e.tenant_id = g.tenant_id and e.suggestion_id = g.id and e.request_id is not null
		offset 0) s
), fresh as materialized (
	select w.tenant_id, w.suggestion_id, f.request_id, coalesce(f.capability, i.capability) as capability,
		o.property_id, i.produced_at, coalesce(f.shown_at, f.decided_at) as shown_at, f.decided_at, f.decision,
		(coalesce(f.decided_at, i.produced_at) at time zone coalesce(p.timezone, 'UTC'))::date as business_date,
		greatest(f.batch_id, i.batch_id) as batch_id
	from wanted w
	cross join lateral (
		select
			(array_agg(capability) filter (where capability is not null))[count(capability)] as capability,
			(array_agg(property_id) filter (where property_id is not null))[count(property_id)] as property_id,
			coalesce((array_agg(request_id) filter (where request_id is not null))[count(request_id)],
				min(suggestion_id) filter (where verb = 'completed')) as request_id,
			(array_agg(decision) filter (where verb = 'decided'))[count(*) filter (where verb = 'decided')] as decision,
			(array_agg(at) filter (where verb = 'decided'))[count(*) filter (where verb = 'decided')] as decided_at,
			min(shown_at) as shown_at, bool_or(verb = 'decided') as decided, max(batch_id) as batch_id
		from (
			select e.*
			from analytics_curated.event_ai e
			where e.tenant_id = w.tenant_id and e.suggestion_id = w.suggestion_id
			order by e.occurred_at, e.aggregate_version nulls first, e.event_id
			offset 0) in_order
		having count(*) > 0) f
	cross join lateral (
		select min(e.occurred_at) as produced_at, max(e.batch_id) as batch_id,
			(array_agg(e.capability order by e.occurred_at, e.event_id) filter (where e.capability is not null))[1] as capability,
			(array_agg(e.property_id order by e.occurred_at, e.event_id) filter (where e.property_id is not null))[1] as property_id
		from analytics_curated.event_ai e
		where e.tenant_id = w.tenant_id and e.suggestion_id = f.request_id and e.verb = 'completed') i
	cross join lateral (select coalesce(f.property_id, i.property_id) as property_id) o
	left join analytics_curated.dim_property p on p.tenant_id = w.tenant_id and p.property_id = o.property_id
	where f.decided or not exists (
		select from analytics_curated.event_ai e
		where e.tenant_id = w.tenant_id and e.request_id = w.suggestion_id)
), old as materialized (
	select w.tenant_id, f.suggestion_id, f.row_at, f.business_date, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.suggestion_id, f.business_date, (
			f.request_id, f.capability, f.property_id, f.produced_at, f.shown_at, f.decided_at, f.decision,
			f.business_date) as content
		from analytics_live.fact_ai_suggestion f
		where f.tenant_id = w.tenant_id and f.suggestion_id = w.suggestion_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.business_date as old_business_date, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.suggestion_id = n.suggestion_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.request_id, n.capability, n.property_id, n.produced_at, n.shown_at, n.decided_at, n.decision, n.business_date)
), put as (
	insert into analytics_live.fact_ai_suggestion
		(tenant_id, suggestion_id, request_id, capability, property_id, produced_at, shown_at, decided_at, decision,
		 business_date, _batch_id, _updated_at)
	select tenant_id, suggestion_id, request_id, capability, property_id, produced_at, shown_at, decided_at, decision,
		business_date, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, suggestion_id) do update set
		(request_id, capability, property_id, produced_at, shown_at, decided_at, decision, business_date, _batch_id,
		 _updated_at) =
		(excluded.request_id, excluded.capability, excluded.property_id, excluded.produced_at, excluded.shown_at,
		 excluded.decided_at, excluded.decision, excluded.business_date, excluded._batch_id, excluded._updated_at)
), cut as (
	delete from analytics_live.fact_ai_suggestion where row_at = any (array(
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
	select tenant_id, 'fact_ai_suggestion', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'fact_ai_suggestion' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
