-- Raw events of properties, room types, rooms and inventory -> analytics_curated.event_property. This
-- file is the assumption about the payloads of melmastoon.property.* and melmastoon.inventory.*; an
-- event without the id that its subject is about is set aside in failed_keys.
--
-- A key is an id, or `<id>@<daterange>` when what is new can only have changed those days of
-- fact_inventory_day: so one day of one room type costs one day. The day before occurred_at bounds
-- the local day in any time zone.
-- Needs lock_unit and take_delta.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1, as of append_reservation.sql
with read as materialized (
	select r.tenant_id, r.occurred_at, r.event_id, r.aggregate_version, r.batch_id, r.entity, r.verb,
		coalesce(
			case r.entity
				when 'property' then analytics_run.id_of(r.p, 'propertyId')
				when 'room' then analytics_run.id_of(r.p, 'roomId')
				else analytics_run.id_of(r.p, 'roomTypeId')
			end,
			case when r.entity <> 'day' and r.aggregate_type = r.entity then analytics_run.canonical_id(r.aggregate_id) end
		) as entity_id,
		analytics_run.id_of(r.p, 'propertyId') as property_id,
		analytics_run.id_of(r.p, 'roomTypeId') as room_type_id,
		analytics_run.name_of(r.p, 'name') as name,
		analytics_run.name_of(r.p, 'city') as city,
		analytics_run.word_of(r.p, 'country') as country,
		analytics_run.to_zone_or_null(analytics_run.word_of(r.p, 'timezone')) as timezone,
		case when r.p ->> 'currency' ~ '^[A-Z]{3}$' then r.p ->> 'currency' end as currency,
		analytics_run.word_of(r.p, 'checkInTime') as check_in_time,
		analytics_run.count_of(r.p, 'maxOccupancy') as max_occupancy,
		analytics_run.word_of(r.p, 'number') as number,
		case when r.entity = 'day' then analytics_run.date_of(r.p, 'stayDate')
			else analytics_run.date_of(r.p, 'from') end as day_from,
		analytics_run.date_of(r.p, 'until') as day_until,
		analytics_run.word_of(r.p, 'category') as category,
		analytics_run.count_of(r.p, 'total') as rooms,
		analytics_run.count_of(r.p, 'oosBlocked') as blocked
	from (
		select e.tenant_id, e.occurred_at, e.dedupe_key as event_id, e.aggregate_version, e.batch_id, e.aggregate_type,
			e.aggregate_id, analytics_run.payload_of(e.body, e.payload_key) as p,
			case
				when e.domain = 'inventory' then 'day'
				when split_part(e.subject, '.', 5) = '' then 'property'
				else split_part(e.subject, '.', 3)
			end as entity,
			split_part(e.subject, '.', -2) as verb
		from events_raw.taken('property', $1::bigint[], $2::text[], $3::text, $4::text) e
		where e.subject in ('melmastoon.property.published.v1', 'melmastoon.property.updated.v1',
				'melmastoon.property.unpublished.v1', 'melmastoon.property.archived.v1',
				'melmastoon.property.room_type.created.v1', 'melmastoon.property.room_type.updated.v1',
				'melmastoon.property.room_type.archived.v1', 'melmastoon.property.room.created.v1',
				'melmastoon.property.room.updated.v1', 'melmastoon.property.room.archived.v1',
				'melmastoon.property.room.out_of_order.v1', 'melmastoon.property.room.out_of_service.v1',
				'melmastoon.property.room.returned.v1', 'melmastoon.inventory.room_type_daily.updated.v1')
		offset 0) r
), bad as (
	insert into analytics_run.failed_keys as f (consumer, tenant_id, key, error)
	select 'property', tenant_id, 'event:' || event_id,
		case when entity_id is null then 'no id of a ' || entity else 'no stayDate' end
	from read
	where entity_id is null or entity = 'day' and day_from is null
	on conflict (consumer, tenant_id, key) do update set
		error = excluded.error, attempts = f.attempts + 1, last_failed_at = now()
	returning 1
), added as (
	insert into analytics_curated.event_property
		(tenant_id, entity, entity_id, occurred_at, event_id, aggregate_version, batch_id, verb, property_id, room_type_id,
		 name, city, country, timezone, currency, check_in_time, max_occupancy, number, day_from, day_until, category,
		 rooms, blocked)
	select tenant_id, entity, entity_id, occurred_at, event_id, aggregate_version, batch_id, verb, property_id, room_type_id,
		name, city, country, timezone, currency, check_in_time, max_occupancy, number, day_from, day_until, category,
		rooms, blocked
	from read
	where entity_id is not null and (entity <> 'day' or day_from is not null)
	order by tenant_id, entity, entity_id, occurred_at, event_id
	on conflict (tenant_id, entity, entity_id, occurred_at, event_id) do nothing
	returning tenant_id, entity, entity_id, verb, occurred_at, day_from, day_until
), touched as (
	select distinct tenant_id, entity_id || coalesce('@' || case
		when entity = 'day' then daterange(day_from, day_from + 1)
		when entity = 'room' and (day_from is null or day_until is null) then
			daterange(least(day_from, (occurred_at at time zone 'UTC')::date - 1), null)
		when entity = 'room' and day_from < day_until then
			daterange(least(day_from, (occurred_at at time zone 'UTC')::date - 1), day_until)
	end, '') as key
	from added
)
select array_agg(tenant_id order by tenant_id, key) as tenants, array_agg(key order by tenant_id, key) as keys,
	(select count(*) from added) as events, (select count(*) from bad) as rejected
from touched
