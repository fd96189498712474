-- Raw events of ai and ai_orchestrator -> analytics_curated.event_ai (inferences and decisions about
-- suggestions) and event_forecast. This file is the assumption about their payloads; the subject of a
-- forecast has two spellings and one meaning. Of a forecast at most 1100 points are read: a point that
-- cannot be believed is judged by rebuild_forecast.sql, an event without an id is set aside in failed_keys.
--
-- A key is `s<id>` of a suggestion or a request, or `f["<property>","<run>","<room type>"]`.
-- Needs lock_unit and take_delta.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1, as of append_reservation.sql
with read as materialized (
	select r.tenant_id, r.occurred_at, r.event_id, r.aggregate_version, r.batch_id, r.verb, r.p,
		case r.verb
			when 'produced' then coalesce(analytics_run.id_of(r.p, 'forecastRunId'),
				case when r.aggregate_id like 'fcr\_%' then analytics_run.canonical_id(r.aggregate_id) end)
			when 'decided' then coalesce(analytics_run.id_of(r.p, 'suggestionId'), q.request_id)
			else q.request_id
		end as id,
		q.request_id,
		analytics_run.id_of(r.p, 'propertyId') as property_id,
		analytics_run.word_of(r.p, 'capability') as capability
	from (
		select e.tenant_id, e.occurred_at, e.dedupe_key as event_id, e.aggregate_version, e.batch_id, e.aggregate_id,
			case split_part(e.subject, '.', 4) when 'gate_decided' then 'decided' else split_part(e.subject, '.', 4) end as verb,
			analytics_run.payload_of(e.body, e.payload_key) as p
		from events_raw.taken('ai', $1::bigint[], $2::text[], $3::text, $4::text) e
		where e.subject in ('melmastoon.ai_orchestrator.inference.completed.v1',
				'melmastoon.ai_orchestrator.hitl.gate_decided.v1', 'melmastoon.ai.forecast.produced.v1',
				'melmastoon.ai_orchestrator.forecast.produced.v1')
		offset 0) r
	cross join lateral (
		select coalesce(analytics_run.id_of(r.p, 'requestId'),
			case when r.aggregate_id like 'ifr\_%' then analytics_run.canonical_id(r.aggregate_id) end) as request_id
		offset 0) q
), bad as (
	insert into analytics_run.failed_keys as f (consumer, tenant_id, key, error)
	select 'ai', tenant_id, 'event:' || event_id,
		case verb when 'produced' then 'no forecastRunId' when 'decided' then 'no suggestionId' else 'no requestId' end
	from read
	where id is null
	on conflict (consumer, tenant_id, key) do update set
		error = excluded.error, attempts = f.attempts + 1, last_failed_at = now()
	returning 1
), added as (
	insert into analytics_curated.event_ai
		(tenant_id, suggestion_id, occurred_at, event_id, aggregate_version, batch_id, verb, at, request_id, property_id,
		 capability, decision, shown_at)
	select tenant_id, id, occurred_at, event_id, aggregate_version, batch_id, verb,
		coalesce(analytics_run.instant_of(p, 'decidedAt'), occurred_at),
		case when verb = 'decided' then request_id end, property_id, capability,
		case when verb = 'decided' then analytics_run.word_of(p, 'decision') end,
		analytics_run.instant_of(p, 'shownAt')
	from read
	where id is not null and verb in ('completed', 'decided')
	order by tenant_id, id, occurred_at, event_id
	on conflict (tenant_id, suggestion_id, occurred_at, event_id) do nothing
	returning tenant_id, suggestion_id
), forecast as (
	insert into analytics_curated.event_forecast
		(tenant_id, property_id, forecast_run_id, room_type_id, occurred_at, event_id, aggregate_version, batch_id,
		 capability, model, model_version, generated_at, stay_date, rooms_p10, rooms_p50, rooms_p90, occupancy, adr_micro,
		 currency)
	select r.tenant_id, coalesce(r.property_id, ''), r.id, coalesce(analytics_run.id_of(r.p, 'roomTypeId'), ''), r.occurred_at,
		r.event_id, r.aggregate_version, r.batch_id, r.capability, analytics_run.word_of(r.p, 'model'),
		analytics_run.word_of(r.p, 'modelVersion'), coalesce(analytics_run.instant_of(r.p, 'generatedAt'), r.occurred_at),
		coalesce(d.stay_date, '{}'), coalesce(d.rooms_p10, '{}'), coalesce(d.rooms_p50, '{}'), coalesce(d.rooms_p90, '{}'),
		coalesce(d.occupancy, '{}'), coalesce(d.adr_micro, '{}'), coalesce(d.currency, '{}')
	from read r
	cross join lateral (
		select array_agg(analytics_run.date_of(point, 'stayDate') order by n) as stay_date,
			array_agg(analytics_run.decimal_of(point, 'roomsP10') order by n) as rooms_p10,
			array_agg(analytics_run.decimal_of(point, 'roomsP50') order by n) as rooms_p50,
			array_agg(analytics_run.decimal_of(point, 'roomsP90') order by n) as rooms_p90,
			array_agg(analytics_run.decimal_of(point, 'occupancyPct') order by n) as occupancy,
			array_agg(analytics_run.to_micro(point -> 'adr') order by n) as adr_micro,
			array_agg(analytics_run.currency_of(point -> 'adr') order by n) as currency
		from jsonb_array_elements(analytics_run.array_of(r.p, 'points')) with ordinality as given (point, n)
		where n <= 1100) d
	where r.id is not null and r.verb = 'produced'
	order by 1, 2, 3, 4, 5, 6
	on conflict (tenant_id, property_id, forecast_run_id, room_type_id, occurred_at, event_id) do nothing
	returning tenant_id, property_id, forecast_run_id, room_type_id
), touched as (
	select distinct tenant_id, 's' || suggestion_id as key from added
	union
	select tenant_id, 'f' || jsonb_build_array(property_id, forecast_run_id, room_type_id)::text from forecast
)
select array_agg(tenant_id order by tenant_id, key) as tenants, array_agg(key order by tenant_id, key) as keys,
	(select count(*) from added) + (select count(*) from forecast) as events, (select count(*) from bad) as rejected
from touched
