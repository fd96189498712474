-- Whether the points of a landed forecast have arrived: each stay date is a row of its vintage, or the
-- point is in the quarantine. Of a vintage that lacks one the key is touched, unless it is already.
-- $1 tenant text
-- $2 event text  dedupe key
-- rows: 1 (error text, done boolean, rows_in bigint, rows_out bigint): error = why it will not arrive, null:
--       it may; done = all have; rows_in points of the event, rows_out facts of its stay dates
with event as materialized (
	select e.property_id, e.forecast_run_id, e.room_type_id, e.stay_date,
		'f' || jsonb_build_array(e.property_id, e.forecast_run_id, e.room_type_id)::text as key
	from analytics_curated.event_forecast e
	where e.tenant_id = $1::text and e.event_id = $2::text
), point as materialized (
	select e.key, p.stay_date, f.stay_date is not null as believed, q.point is not null as quarantined
	from event e
	cross join lateral unnest(e.stay_date) with ordinality as p (stay_date, point)
	left join analytics_live.fact_demand_forecast f
		on f.tenant_id = $1::text and f.property_id = e.property_id and f.forecast_run_id = e.forecast_run_id
			and coalesce(f.room_type_id, '') = e.room_type_id and f.stay_date = p.stay_date
	left join analytics_curated.forecast_quarantine q
		on q.tenant_id = $1::text and q.property_id = e.property_id and q.forecast_run_id = e.forecast_run_id
			and q.room_type_id = e.room_type_id and q.event_id = $2::text and q.point = p.point
), failed as (
	select f.error
	from analytics_run.failed_keys f
	where f.consumer = 'ai' and f.tenant_id = $1::text
		and (f.key = 'event:' || $2::text or f.key = any (array(select key from event)))
	limit 1
), pending as (
	select from analytics_run.delta d
	where d.consumer = 'ai' and d.shard = analytics_run.shard_of($1::text) and d.tenant_id = $1::text
		and $2::text between d.key_lo and d.key_hi
	limit 1
), again as (
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select distinct 'ai', $1::text, 'key', p.key
	from point p
	where not p.believed and not p.quarantined
		and not exists (
			select from analytics_run.touched t
			where t.consumer = 'ai' and t.shard = analytics_run.shard_of($1::text) and t.tenant_id = $1::text
				and (t.kind = 'all' or t.key = p.key))
)
select case
		when exists (select from failed) then (select error from failed)
		when not exists (select from event) and not exists (select from pending)
			then 'no such forecast: it was set aside and cleared, or its tenant is gone'
	end as error,
	exists (select from event) and not exists (select from point where not believed and not quarantined) as done,
	(select count(*) from point) as rows_in,
	(select count(distinct stay_date) from point where believed) as rows_out
