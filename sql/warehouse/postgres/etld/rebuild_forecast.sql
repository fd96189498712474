-- fact_demand_forecast and forecast_quarantine as functions of all points of the given vintages and of
-- the rooms of their property: a point is believed or set aside with the first reason that holds, and of
-- those believed the last one given of a stay date is the row. Vintages are kept, never overwritten.
--
--   unknown_property        none named, or none of this tenant (yet)
--   unknown_room_type       not one of the property's
--   incomplete              no stay date or no P50
--   negative                rooms, occupancy or rate below zero
--   quantiles_out_of_order  P10 above P50, or P50 above P90
--   above_capacity          more rooms than there are, or occupancy above 1; passed while no room is known
--   stale                   for a night before the local day it was generated on, or told more than 48 h
--                           after it was generated
--
-- Keys of suggestions are passed over. Second of the two rebuilds of its consumer.
-- Needs lock_unit, in a statement of its own before. The shape: see rebuild_reservation.sql.
-- $1 tenants text[]
-- $2 keys text[]  as of append_ai.sql; keys[i] of tenants[i]
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct k.tenant_id, k.key ->> 0 as property_id, k.key ->> 1 as forecast_run_id, k.key ->> 2 as room_type_id
	from (
		select tenant_id, case when key like 'f%' then substr(key, 2)::jsonb end as key
		from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
		where n between $3::integer and $4::integer) k
	where k.key is not null
), capacity as materialized (
	-- once for each property and type, however many vintages there are
	select w.tenant_id, w.property_id, w.room_type_id, p.known, coalesce(p.timezone, 'UTC') as timezone,
		w.room_type_id = '' or exists (
			select from analytics_curated.dim_room_type t
			where t.tenant_id = w.tenant_id and t.room_type_id = w.room_type_id and t.property_id = w.property_id) as type_known,
		(select nullif(count(*), 0)::integer
			from analytics_curated.dim_room r
			where r.tenant_id = w.tenant_id and r.property_id = w.property_id
				and (w.room_type_id = '' or r.room_type_id = w.room_type_id)) as rooms
	from (select distinct tenant_id, property_id, room_type_id from wanted) w
	left join lateral (
		select true as known, p.timezone
		from analytics_curated.dim_property p
		where p.tenant_id = w.tenant_id and p.property_id = w.property_id) p on true
), judged as materialized (
	select w.tenant_id, w.property_id, w.forecast_run_id, w.room_type_id, e.event_id, e.occurred_at, e.aggregate_version,
		e.batch_id, e.capability, e.model, e.model_version, e.generated_at, c.rooms as capacity, e.point, e.stay_date,
		e.rooms_p10, e.rooms_p50, e.rooms_p90, e.occupancy, e.adr_micro, e.currency,
		e.stay_date - (e.generated_at at time zone c.timezone)::date as horizon_days,
		case
			when c.known is null then 'unknown_property'
			when not c.type_known then 'unknown_room_type'
			when e.stay_date is null or e.rooms_p50 is null then 'incomplete'
			when least(e.rooms_p10, e.rooms_p50, e.rooms_p90, e.occupancy, e.adr_micro) < 0 then 'negative'
			when e.rooms_p10 > e.rooms_p50 or e.rooms_p50 > e.rooms_p90 or e.rooms_p10 > e.rooms_p90
				then 'quantiles_out_of_order'
			when greatest(e.rooms_p50, e.rooms_p90) > c.rooms or e.occupancy > 1 then 'above_capacity'
			when e.stay_date < (e.generated_at at time zone c.timezone)::date
				or e.occurred_at > e.generated_at + interval '48 hours' then 'stale'
		end as reason
	from wanted w
	join capacity c
		on c.tenant_id = w.tenant_id and c.property_id = w.property_id and c.room_type_id = w.room_type_id
	cross join lateral (
		select e.event_id, e.occurred_at, e.aggregate_version, e.batch_id, e.capability, e.model, e.model_version,
			e.generated_at, p.point::integer as point, p.stay_date, p.rooms_p10, p.rooms_p50, p.rooms_p90, p.occupancy, p.adr_micro,
			p.currency
		from analytics_curated.event_forecast e
		cross join lateral unnest(e.stay_date, e.rooms_p10, e.rooms_p50, e.rooms_p90, e.occupancy, e.adr_micro, e.currency)
			with ordinality as p (stay_date, rooms_p10, rooms_p50, rooms_p90, occupancy, adr_micro, currency, point)
		where e.tenant_id = w.tenant_id and e.property_id = w.property_id and e.forecast_run_id = w.forecast_run_id
			and e.room_type_id = w.room_type_id
		offset 0) e
), fresh as materialized (
	select tenant_id, property_id, nullif(room_type_id, '') as room_type_id, stay_date, forecast_run_id, capability, model,
		model_version, generated_at, horizon_days, rooms_p10, rooms_p50, rooms_p90, occupancy, adr_micro, currency, batch_id
	from (
		select distinct on (tenant_id, property_id, forecast_run_id, room_type_id, stay_date) *
		from judged
		where reason is null
		order by tenant_id, property_id, forecast_run_id, room_type_id, stay_date, occurred_at desc,
			aggregate_version desc nulls last, event_id desc, point desc) last_given
), fresh_quarantine as materialized (
	select tenant_id, property_id, forecast_run_id, room_type_id, event_id, point, stay_date, rooms_p10, rooms_p50,
		rooms_p90, occupancy, adr_micro, capacity, reason, generated_at, occurred_at, batch_id
	from judged
	where reason is not null
), old_quarantine as materialized (
	select w.tenant_id, f.property_id, f.forecast_run_id, f.room_type_id, f.event_id, f.point, f.row_at, f.content
	from wanted w
	cross join lateral (
		select f.ctid as row_at, f.property_id, f.forecast_run_id, f.room_type_id, f.event_id, f.point, (
			f.stay_date, f.rooms_p10, f.rooms_p50, f.rooms_p90, f.occupancy, f.adr_micro, f.capacity, f.reason,
			f.generated_at, f.occurred_at) as content
		from analytics_curated.forecast_quarantine f
		where f.tenant_id = w.tenant_id and f.property_id = w.property_id and f.forecast_run_id = w.forecast_run_id
			and f.room_type_id = w.room_type_id
		offset 0) f
), diff_quarantine as materialized (
	select n.*, o.row_at
	from fresh_quarantine n
	full join old_quarantine o on o.tenant_id = n.tenant_id and o.property_id = n.property_id
		and o.forecast_run_id = n.forecast_run_id and o.room_type_id = n.room_type_id
		and o.event_id = n.event_id and o.point = n.point
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.stay_date, n.rooms_p10, n.rooms_p50, n.rooms_p90, n.occupancy, n.adr_micro, n.capacity, n.reason,
		n.generated_at, n.occurred_at)
), put_quarantine as (
	insert into analytics_curated.forecast_quarantine
		(tenant_id, property_id, forecast_run_id, room_type_id, event_id, point, stay_date, rooms_p10, rooms_p50,
		 rooms_p90, occupancy, adr_micro, capacity, reason, generated_at, occurred_at, _batch_id, _updated_at)
	select tenant_id, property_id, forecast_run_id, room_type_id, event_id, point, stay_date, rooms_p10, rooms_p50,
		rooms_p90, occupancy, adr_micro, capacity, reason, generated_at, occurred_at, batch_id, now()
	from diff_quarantine
	where tenant_id is not null
	on conflict (tenant_id, property_id, forecast_run_id, room_type_id, event_id, point) do update set
		(stay_date, rooms_p10, rooms_p50, rooms_p90, occupancy, adr_micro, capacity, reason, generated_at, occurred_at,
		 _batch_id, _updated_at) =
		(excluded.stay_date, excluded.rooms_p10, excluded.rooms_p50, excluded.rooms_p90, excluded.occupancy,
		 excluded.adr_micro, excluded.capacity, excluded.reason, excluded.generated_at, excluded.occurred_at,
		 excluded._batch_id, excluded._updated_at)
), cut_quarantine as (
	delete from analytics_curated.forecast_quarantine where ctid = any (array(
		select row_at from diff_quarantine where tenant_id is null))
), old as materialized (
	select w.tenant_id, f.property_id, f.room_type_id, f.stay_date, f.forecast_run_id, f.row_at, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.property_id, f.room_type_id, f.stay_date, f.forecast_run_id, (
			f.capability, f.model, f.model_version, f.generated_at, f.horizon_days, f.rooms_p10, f.rooms_p50, f.rooms_p90,
			f.occupancy, f.adr_micro, f.currency) as content
		from analytics_live.fact_demand_forecast f
		where f.tenant_id = w.tenant_id and f.property_id = w.property_id and f.forecast_run_id = w.forecast_run_id
			and coalesce(f.room_type_id, '') = w.room_type_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.stay_date as old_stay_date, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.property_id = n.property_id
		and coalesce(o.room_type_id, '') = coalesce(n.room_type_id, '') and o.stay_date = n.stay_date
		and o.forecast_run_id = n.forecast_run_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.capability, n.model, n.model_version, n.generated_at, n.horizon_days, n.rooms_p10, n.rooms_p50, n.rooms_p90,
		n.occupancy, n.adr_micro, n.currency)
), put as (
	insert into analytics_live.fact_demand_forecast
		(tenant_id, property_id, room_type_id, stay_date, forecast_run_id, capability, model, model_version, generated_at,
		 horizon_days, rooms_p10, rooms_p50, rooms_p90, occupancy, adr_micro, currency, _batch_id, _updated_at)
	select tenant_id, property_id, room_type_id, stay_date, forecast_run_id, capability, model, model_version, generated_at,
		horizon_days, rooms_p10, rooms_p50, rooms_p90, occupancy, adr_micro, currency, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, property_id, room_type_id, stay_date, forecast_run_id) do update set
		(capability, model, model_version, generated_at, horizon_days, rooms_p10, rooms_p50, rooms_p90, occupancy,
		 adr_micro, currency, _batch_id, _updated_at) =
		(excluded.capability, excluded.model, excluded.model_version, excluded.generated_at, excluded.horizon_days,
		 excluded.rooms_p10, excluded.rooms_p50, excluded.rooms_p90, excluded.occupancy, excluded.adr_micro,
		 excluded.currency, excluded._batch_id, excluded._updated_at)
), cut as (
	delete from analytics_live.fact_demand_forecast where row_at = any (array(
		select row_at from diff where tenant_id is null))
), cell as materialized (
	select coalesce(tenant_id, old_tenant_id) as tenant_id, coalesce(stay_date, old_stay_date) as day, count(tenant_id) as put,
		count(*) - count(tenant_id) as cut
	from diff
	group by 1, 2
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'fact_demand_forecast', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'fact_demand_forecast' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
