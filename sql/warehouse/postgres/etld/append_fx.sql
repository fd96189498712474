-- Rates in raw events of billing and pricing -> analytics_curated.event_fx. This file is the assumption
-- about fxSnapshot: {baseCurrency, rates {CCY: micro-units of the base for one CCY}, takenAt, source}, of
-- folio.opened, and of fx_snapshot.captured, where it may also be the payload itself. A numeral may be a
-- string and may have a fraction of a micro-unit. What is no rate above zero of another currency is set
-- aside in failed_keys as 'event:<dedupe_key>:<currency>'; a folio without a snapshot says nothing.
--
-- A key is `<base>/<quote>@<UTC date>`; the local day of the snapshot is that day or one beside it.
-- Needs lock_unit and take_delta.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1, as of append_reservation.sql
with read as materialized (
	select r.tenant_id, r.occurred_at, r.event_id, r.batch_id, r.property_id, s.base_currency, g.quote_currency, s.captured_at,
		s.source,
		case when g.numeral ~ '^[0-9]{1,15}(\.[0-9]{1,12})?$' then nullif(g.numeral::numeric / 1000000, 0) end as rate
	from (
		select e.tenant_id, e.occurred_at, e.event_id, e.batch_id, analytics_run.id_of(e.p, 'propertyId') as property_id, e.p,
			case when jsonb_typeof(e.p -> 'fxSnapshot') = 'object' then e.p -> 'fxSnapshot' else e.p end as snapshot
		from (
			select e.tenant_id, e.occurred_at, e.dedupe_key as event_id, e.batch_id,
				analytics_run.payload_of(e.body, e.payload_key) as p
			from events_raw.taken('fx', $1::bigint[], $2::text[], $3::text, $4::text) e
			where e.subject in ('melmastoon.billing.folio.opened.v1', 'melmastoon.pricing.fx_snapshot.captured.v1')
			offset 0) e
		offset 0) r
	cross join lateral (
		select analytics_run.word_of(r.snapshot, 'baseCurrency') as base_currency,
			coalesce(analytics_run.instant_of(r.snapshot, 'takenAt'), analytics_run.instant_of(r.snapshot, 'capturedAt'),
				analytics_run.instant_of(r.p, 'capturedAt'), r.occurred_at) as captured_at,
			coalesce(analytics_run.word_of(r.snapshot, 'source'), '') as source
		offset 0) s
	cross join lateral (
		select key as quote_currency,
			case when jsonb_typeof(value) in ('string', 'number') then value #>> '{}' end as numeral
		from jsonb_each(case when jsonb_typeof(r.snapshot -> 'rates') = 'object' then r.snapshot -> 'rates' end)
		where key is distinct from s.base_currency
		limit 300) g
), judged as materialized (
	select *, rate is not null and base_currency ~ '^[A-Z]{3}$' and quote_currency ~ '^[A-Z]{3}$' as usable
	from read
), bad as (
	insert into analytics_run.failed_keys as f (consumer, tenant_id, key, error)
	select 'fx', tenant_id, 'event:' || event_id || ':' || left(quote_currency, 16), 'no usable rate'
	from judged
	where usable is not true
	on conflict (consumer, tenant_id, key) do update set
		error = excluded.error, attempts = f.attempts + 1, last_failed_at = now()
	returning 1
), said as (
	-- the first to say it, within these events and then within all
	select distinct on (tenant_id, base_currency, quote_currency, captured_at, property_id, rate, source) *
	from (
		select tenant_id, base_currency, quote_currency, captured_at, coalesce(property_id, '') as property_id, rate, source,
			occurred_at, event_id, batch_id
		from judged
		where usable) u
	order by tenant_id, base_currency, quote_currency, captured_at, property_id, rate, source, occurred_at, event_id
), added as (
	insert into analytics_curated.event_fx as x
		(tenant_id, base_currency, quote_currency, captured_at, property_id, rate, source, said_at, event_id, batch_id)
	select tenant_id, base_currency, quote_currency, captured_at, property_id, rate, source, occurred_at, event_id, batch_id
	from said
	on conflict (tenant_id, base_currency, quote_currency, captured_at, property_id, rate, source) do update set
		(said_at, event_id) = (excluded.said_at, excluded.event_id)
	where (excluded.said_at, excluded.event_id) < (x.said_at, x.event_id)
	returning tenant_id, base_currency, quote_currency, captured_at
), touched as (
	select distinct tenant_id, base_currency || '/' || quote_currency || '@' || (captured_at at time zone 'UTC')::date as key
	from added
)
select array_agg(tenant_id order by tenant_id, key) as tenants, array_agg(key order by tenant_id, key) as keys,
	(select count(*) from added) as events, (select count(*) from bad) as rejected
from touched
