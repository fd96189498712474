-- Raw events of housekeeping tasks -> analytics_curated.event_housekeeping. This file is the assumption
-- about the payloads of melmastoon.housekeeping.task.*; an event without a task id is set aside in
-- failed_keys. Who did the work is a pseudonym. Needs lock_unit, take_delta and ensure_guest_keys.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1, as of append_reservation.sql; keys are task ids
with read as materialized (
	select r.tenant_id, r.occurred_at, r.event_id, r.aggregate_version, r.batch_id, r.verb,
		coalesce(analytics_run.id_of(r.p, 'taskId'),
			case when r.aggregate_id like 'hkt\_%' then analytics_run.canonical_id(r.aggregate_id) end) as task_id,
		coalesce(analytics_run.instant_of(r.p, 'at'), r.occurred_at) as at,
		analytics_run.id_of(r.p, 'propertyId') as property_id,
		analytics_run.id_of(r.p, 'roomId') as room_id,
		analytics_run.id_of(r.p, 'reservationId') as reservation_id,
		analytics_run.word_of(r.p, 'kind') as kind,
		analytics_run.word_of(r.p, 'priority') as priority,
		analytics_run.word_of(r.p, 'source') as source,
		analytics_run.id_of(r.p, 'staffId') as staff_id,
		case when r.verb = 'inspected' then analytics_run.word_of(r.p, 'result') end as result
	from (
		select e.tenant_id, e.occurred_at, e.dedupe_key as event_id, e.aggregate_version, e.batch_id, e.aggregate_id,
			split_part(e.subject, '.', 4) as verb, analytics_run.payload_of(e.body, e.payload_key) as p
		from events_raw.taken('housekeeping', $1::bigint[], $2::text[], $3::text, $4::text) e
		where e.subject in ('melmastoon.housekeeping.task.created.v1', 'melmastoon.housekeeping.task.assigned.v1',
				'melmastoon.housekeeping.task.reassigned.v1', 'melmastoon.housekeeping.task.started.v1',
				'melmastoon.housekeeping.task.completed.v1', 'melmastoon.housekeeping.task.escalated.v1',
				'melmastoon.housekeeping.task.cancelled.v1', 'melmastoon.housekeeping.task.inspected.v1')
		offset 0) r
), bad as (
	insert into analytics_run.failed_keys as f (consumer, tenant_id, key, error)
	select 'housekeeping', tenant_id, 'event:' || event_id, 'no taskId'
	from read
	where task_id is null
	on conflict (consumer, tenant_id, key) do update set
		error = excluded.error, attempts = f.attempts + 1, last_failed_at = now()
	returning 1
), added as (
	insert into analytics_curated.event_housekeeping
		(tenant_id, task_id, occurred_at, event_id, aggregate_version, batch_id, verb, at, property_id, room_id,
		 reservation_id, kind, priority, source, staff_key, result)
	select r.tenant_id, r.task_id, r.occurred_at, r.event_id, r.aggregate_version, r.batch_id, r.verb, r.at, r.property_id,
		r.room_id, r.reservation_id, r.kind, r.priority, r.source, analytics_run.guest_key_of(g.key, r.staff_id), r.result
	from read r
	left join analytics_run.guest_key g on g.tenant_id = r.tenant_id
	where r.task_id is not null
	order by r.tenant_id, r.task_id, r.occurred_at, r.event_id
	on conflict (tenant_id, task_id, occurred_at, event_id) do nothing
	returning tenant_id, task_id
), touched as (
	select distinct tenant_id, task_id from added
)
select array_agg(tenant_id order by tenant_id, task_id) as tenants, array_agg(task_id order by tenant_id, task_id) as keys,
	(select count(*) from added) as events, (select count(*) from bad) as rejected
from touched
