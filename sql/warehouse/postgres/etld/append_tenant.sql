-- Raw events of tenants -> analytics_curated.event_tenant. This file is the assumption about the
-- payloads of melmastoon.tenant.*. Needs lock_unit and take_delta.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1, as of append_reservation.sql; keys are the tenant ids again, and nothing is rejected
with read as materialized (
	select r.tenant_id, r.occurred_at, r.event_id, r.aggregate_version, r.batch_id, r.verb,
		analytics_run.name_of(r.p, 'name') as name,
		coalesce(analytics_run.word_of(r.p, 'toRegion'), analytics_run.word_of(r.p, 'region')) as region,
		analytics_run.word_of(r.p, 'dataResidency') as data_residency,
		case when r.p ->> 'defaultCurrency' ~ '^[A-Z]{3}$' then r.p ->> 'defaultCurrency' end as default_currency,
		analytics_run.to_zone_or_null(analytics_run.word_of(r.p, 'timezone')) as timezone,
		d.weekend_days
	from (
		select e.tenant_id, e.occurred_at, e.dedupe_key as event_id, e.aggregate_version, e.batch_id,
			split_part(e.subject, '.', 3) as verb, analytics_run.payload_of(e.body, e.payload_key) as p
		from events_raw.taken('tenant', $1::bigint[], $2::text[], $3::text, $4::text) e
		where e.subject in ('melmastoon.tenant.created.v1', 'melmastoon.tenant.config_updated.v1',
				'melmastoon.tenant.suspended.v1', 'melmastoon.tenant.reactivated.v1', 'melmastoon.tenant.deleted.v1',
				'melmastoon.tenant.region_changed.v1')
		offset 0) r
	-- ISO numbers or English names
	cross join lateral (
		select array_agg(distinct day order by day) as weekend_days
		from (
			select case when w.name ~ '^[1-7]$' then w.name::integer
				else array_position('{mon,tue,wed,thu,fri,sat,sun}'::text[], lower(left(w.name, 3))) end as day
			from jsonb_array_elements_text(analytics_run.array_of(r.p, 'weekendDays')) as w (name)) named
		where day is not null) d
), added as (
	insert into analytics_curated.event_tenant
		(tenant_id, occurred_at, event_id, aggregate_version, batch_id, verb, name, region, data_residency, default_currency,
		 timezone, weekend_days)
	select tenant_id, occurred_at, event_id, aggregate_version, batch_id, verb, name, region, data_residency, default_currency,
		timezone, weekend_days
	from read
	on conflict (tenant_id, occurred_at, event_id) do nothing
	returning tenant_id
), touched as (
	select distinct tenant_id from added
)
select array_agg(tenant_id order by tenant_id) as tenants, array_agg(tenant_id order by tenant_id) as keys,
	(select count(*) from added) as events, 0::bigint as rejected
from touched
