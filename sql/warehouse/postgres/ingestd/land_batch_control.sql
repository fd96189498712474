-- land_batch.sql for a batch with events that ask for a job: a fourth COPY, of
--   control_event: text x 4 (tenant_id, dedupe_key, kind: that of analytics_run.control_kind(), subject),
--     timestamptz occurred_at
-- tenant.deleted is not among them: its tombstone is land_suspects.sql's to write.
begin;
copy events_raw.event (dedupe_key, tenant_id, event_id, subject, domain, occurred_at, published_at, received_at,
	batch_id, aggregate_type, aggregate_id, aggregate_version, schema_version, producer, correlation_id,
	causation_id, traceparent, ordering_key, retention_class, retention_word, data_residency, sampling_rate,
	content_hash, payload_key, attributes, body) from stdin (format binary);
copy analytics_run.delta (batch_id, tenant_id, domain, events, key_lo, key_hi) from stdin (format binary);
copy analytics_run.batch (batch_id, events, bytes) from stdin (format binary);
copy analytics_run.control_event (tenant_id, dedupe_key, kind, subject, occurred_at) from stdin (format binary);
commit;
