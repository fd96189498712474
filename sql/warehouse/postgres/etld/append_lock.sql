-- Raw events of credentials, doors and lock devices -> analytics_curated.event_lock. This file is the
-- assumption about the payloads of melmastoon.lock.*. An attempt without an id of its own is its event;
-- an event without its credential or device is set aside in failed_keys. Needs lock_unit and take_delta.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1, as of append_reservation.sql; keys are ids of credentials, attempts and devices
with read as materialized (
	select r.tenant_id, r.occurred_at, r.event_id, r.aggregate_version, r.batch_id, r.verb,
		case split_part(r.verb, '.', 1)
			when 'credential' then coalesce(analytics_run.id_of(r.p, 'keyCredentialId'),
				case when r.aggregate_id like 'key\_%' then analytics_run.canonical_id(r.aggregate_id) end)
			when 'access' then coalesce(analytics_run.id_of(r.p, 'attemptId'), r.event_id)
			else coalesce(analytics_run.id_of(r.p, 'lockDeviceId'),
				case when r.aggregate_id like 'lck\_%' then analytics_run.canonical_id(r.aggregate_id) end)
		end as lock_key,
		analytics_run.id_of(r.p, 'propertyId') as property_id,
		coalesce(analytics_run.id_of(r.p, 'roomId'),
			case when jsonb_typeof(r.p -> 'rooms' -> 0) = 'string'
				then analytics_run.canonical_id(r.p -> 'rooms' ->> 0) end) as room_id,
		analytics_run.id_of(r.p, 'keyCredentialId') as key_credential_id,
		analytics_run.id_of(r.p, 'lockDeviceId') as lock_device_id,
		analytics_run.id_of(r.p, 'reservationId') as reservation_id,
		analytics_run.word_of(r.p, 'holderKind') as holder_kind,
		analytics_run.word_of(r.p, 'vendor') as vendor,
		analytics_run.word_of(r.p, 'reason') as reason
	from (
		select e.tenant_id, e.occurred_at, e.dedupe_key as event_id, e.aggregate_version, e.batch_id, e.aggregate_id,
			split_part(e.subject, '.', 3) || '.' || split_part(e.subject, '.', 4) as verb,
			analytics_run.payload_of(e.body, e.payload_key) as p
		from events_raw.taken('lock', $1::bigint[], $2::text[], $3::text, $4::text) e
		where e.subject in ('melmastoon.lock.credential.requested.v1', 'melmastoon.lock.credential.issued.v1',
				'melmastoon.lock.credential.activated.v1', 'melmastoon.lock.credential.suspended.v1',
				'melmastoon.lock.credential.revoked.v1', 'melmastoon.lock.credential.failed.v1',
				'melmastoon.lock.access.granted.v1', 'melmastoon.lock.access.denied.v1',
				'melmastoon.lock.device.health_alert.v1')
		offset 0) r
), bad as (
	insert into analytics_run.failed_keys as f (consumer, tenant_id, key, error)
	select 'lock', tenant_id, 'event:' || event_id,
		case when verb like 'device.%' then 'no lockDeviceId' else 'no keyCredentialId' end
	from read
	where lock_key is null
	on conflict (consumer, tenant_id, key) do update set
		error = excluded.error, attempts = f.attempts + 1, last_failed_at = now()
	returning 1
), added as (
	insert into analytics_curated.event_lock
		(tenant_id, lock_key, occurred_at, event_id, aggregate_version, batch_id, verb, property_id, room_id,
		 key_credential_id, lock_device_id, reservation_id, holder_kind, vendor, reason)
	select tenant_id, lock_key, occurred_at, event_id, aggregate_version, batch_id, verb, property_id, room_id,
		key_credential_id, lock_device_id, reservation_id, holder_kind, vendor, reason
	from read
	where lock_key is not null
	order by tenant_id, lock_key, occurred_at, event_id
	on conflict (tenant_id, lock_key, occurred_at, event_id) do nothing
	returning tenant_id, lock_key
), touched as (
	select distinct tenant_id, lock_key from added
)
select array_agg(tenant_id order by tenant_id, lock_key) as tenants, array_agg(lock_key order by tenant_id, lock_key) as keys,
	(select count(*) from added) as events, (select count(*) from bad) as rejected
from touched
