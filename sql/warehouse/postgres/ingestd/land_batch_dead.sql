-- land_batch_control.sql for a batch with dead letters: a fifth COPY, of
--   dead_letter: text dead_letter_id, bytea fingerprint (sha-256 of reason, 0x00, body), text? x 4
--     (tenant_id, event_id, subject, producer), text reason, text? place, text severity, bytea body,
--     text? attributes, text source, text? transport
-- The same bytes refused for the same reason again only count up, and a letter that was replayed is open
-- again. Of a deleted tenant nothing is kept. Any stream may have no tuples.
begin;
create temporary table if not exists dead (like analytics_run.dead_letter including defaults) on commit delete rows;
copy events_raw.event (dedupe_key, tenant_id, event_id, subject, domain, occurred_at, published_at, received_at,
	batch_id, aggregate_type, aggregate_id, aggregate_version, schema_version, producer, correlation_id,
	causation_id, traceparent, ordering_key, retention_class, retention_word, data_residency, sampling_rate,
	content_hash, payload_key, attributes, body) from stdin (format binary);
copy analytics_run.delta (batch_id, tenant_id, domain, events, key_lo, key_hi) from stdin (format binary);
copy analytics_run.batch (batch_id, events, bytes) from stdin (format binary);
copy analytics_run.control_event (tenant_id, dedupe_key, kind, subject, occurred_at) from stdin (format binary);
copy pg_temp.dead (dead_letter_id, fingerprint, tenant_id, event_id, subject, producer, reason, place, severity,
	body, attributes, source, transport) from stdin (format binary);
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
commit;
