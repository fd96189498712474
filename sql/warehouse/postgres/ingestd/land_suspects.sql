-- Lands a batch in which events may have landed before: the slow path, right for any batch.
--
-- A script for the simple protocol with two binary COPY streams: the events, with an int4 ordinal in
-- front of the columns of land_batch.sql, then the dead letters of land_batch_dead.sql (maybe none).
-- The last result before `commit` has one row for each event: (ordinal, outcome), outcome being
--   accepted   it is new
--   duplicate  its key has landed with the same content, before or earlier in this batch
--   conflict   its key has landed with other content: kept here as a dead letter
--   tenant_deleted  its tenant is gone: counted in the tombstone and dropped
-- The key of a concurrent batch is waited for. Inserting and comparing are two statements, because
-- the row that was in the way may be younger than the snapshot of the first.
--
-- Events that ask for a job leave a row of control_event when they have landed, and tenant.deleted a
-- tombstone: only here, land_batch.sql never gets one.
begin;
create temporary table if not exists dead (like analytics_run.dead_letter including defaults) on commit delete rows;
create temporary table if not exists suspect (like events_raw.suspect) on commit delete rows;
copy pg_temp.suspect (ordinal, dedupe_key, tenant_id, event_id, subject, domain, occurred_at, published_at,
	received_at, batch_id, aggregate_type, aggregate_id, aggregate_version, schema_version, producer,
	correlation_id, causation_id, traceparent, ordering_key, retention_class, retention_word, data_residency,
	sampling_rate, content_hash, payload_key, attributes, body) from stdin (format binary);
copy pg_temp.dead (dead_letter_id, fingerprint, tenant_id, event_id, subject, producer, reason, place, severity,
	body, attributes, source, transport) from stdin (format binary);
select events_raw.judge_suspects();
with landed as (
	insert into events_raw.event (dedupe_key, tenant_id, event_id, subject, domain, occurred_at, published_at,
		received_at, batch_id, aggregate_type, aggregate_id, aggregate_version, schema_version, producer,
		correlation_id, causation_id, traceparent, ordering_key, retention_class, retention_word,
		data_residency, sampling_rate, content_hash, payload_key, attributes, body)
	select distinct on (dedupe_key, tenant_id) dedupe_key, tenant_id, event_id, subject, domain, occurred_at,
		published_at, received_at, batch_id, aggregate_type, aggregate_id, aggregate_version, schema_version,
		producer, correlation_id, causation_id, traceparent, ordering_key, retention_class, retention_word,
		data_residency, sampling_rate, content_hash, payload_key, attributes, body
	from pg_temp.suspect
	where outcome is null
	order by dedupe_key, tenant_id, ordinal
	on conflict (dedupe_key, tenant_id) do nothing
	returning dedupe_key, tenant_id
)
update pg_temp.suspect s set landed = true
from (
	select min(s.ordinal) as ordinal
	from landed join pg_temp.suspect s using (dedupe_key, tenant_id)
	group by s.dedupe_key, s.tenant_id) first
where s.ordinal = first.ordinal;
insert into analytics_run.delta (batch_id, tenant_id, domain, events, key_lo, key_hi)
select batch_id, tenant_id, domain, count(*), min(dedupe_key), max(dedupe_key)
from pg_temp.suspect
where landed
group by batch_id, tenant_id, domain;
insert into analytics_run.batch (batch_id, events, bytes)
select batch_id, count(*), sum(octet_length(body))
from pg_temp.suspect
where landed
group by batch_id;
insert into analytics_run.control_event (tenant_id, dedupe_key, kind, subject, occurred_at)
select tenant_id, dedupe_key, analytics_run.control_kind(subject), subject, occurred_at
from pg_temp.suspect
where landed and analytics_run.control_kind(subject) is not null;
insert into analytics_run.tombstone (tenant_id)
select distinct tenant_id
from pg_temp.suspect
where landed and subject = 'melmastoon.tenant.deleted.v1'
on conflict do nothing;
select events_raw.compare_suspects();
insert into pg_temp.dead (dead_letter_id, fingerprint, tenant_id, event_id, subject, producer, reason, severity,
	body, attributes, source)
select 'dlq_' || analytics_run.ulid(), sha256('conflict\000'::bytea || convert_to(body, 'UTF8')), tenant_id,
	event_id, subject, producer, 'conflict', 'warning', convert_to(body, 'UTF8'), attributes, 'conflict'
from pg_temp.suspect
where outcome = 'conflict';
insert into analytics_run.dead_letter as d (dead_letter_id, fingerprint, tenant_id, event_id, subject, producer,
	reason, place, severity, body, attributes, source, transport, times)
select min(dead_letter_id), fingerprint, min(tenant_id), min(event_id), min(subject), min(producer), min(reason),
	min(place), min(severity), (array_agg(body))[1], min(attributes), min(source), min(transport), count(*)
from pg_temp.dead
where not exists (select from analytics_run.tombstone t where t.tenant_id = dead.tenant_id)
group by fingerprint
order by fingerprint
on conflict (fingerprint) do update set times = d.times + excluded.times, last_seen = excluded.last_seen,
	replayed_at = null, replay_outcome = null, alerted = d.alerted and d.replayed_at is null;
select ordinal, outcome
from pg_temp.suspect
order by ordinal;
commit;
