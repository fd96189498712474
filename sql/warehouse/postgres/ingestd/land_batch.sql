-- Lands a batch in one transaction: the fast path, without duplicates as far as is known. With events
-- that ask for a job it is land_batch_control.sql, with dead letters land_batch_dead.sql.
--
-- A script for the simple protocol: each COPY FROM STDIN takes one binary stream (header PGCOPY\n\377
-- \r\n\0, flags 0, tuples, -1). Fails as a whole with 23505 when a key has landed before or TD001 when a
-- tenant is deleted (go on with land_suspects.sql), and with 23514 when a partition is missing (retry later).
-- Binary types, in the order of the column lists:
--   event: text x 5 (dedupe_key, tenant_id, event_id, subject, domain), timestamptz x 3 (occurred_at,
--     published_at?, received_at), int8 batch_id, text? x 2 (aggregate_type, aggregate_id), int8?
--     aggregate_version, int4? schema_version, text? x 5 (producer, correlation_id, causation_id,
--     traceparent, ordering_key), text retention_class, text? x 2 (retention_word, data_residency),
--     float4 sampling_rate, bytea content_hash, text? x 2 (payload_key, attributes), text body
--   delta: int8 batch_id, text x 2 (tenant_id, domain), int4 events, text x 2 (key_lo, key_hi: the
--     least and greatest dedupe_key, as bytes); one row for each (tenant, domain) of the batch
--   batch: int8 batch_id, int4 events, int8 bytes; application_name names the instance
-- ? = may be null. timestamptz is int8, us since 2000-01-01Z.
begin;
copy events_raw.event (dedupe_key, tenant_id, event_id, subject, domain, occurred_at, published_at, received_at,
	batch_id, aggregate_type, aggregate_id, aggregate_version, schema_version, producer, correlation_id,
	causation_id, traceparent, ordering_key, retention_class, retention_word, data_residency, sampling_rate,
	content_hash, payload_key, attributes, body) from stdin (format binary);
copy analytics_run.delta (batch_id, tenant_id, domain, events, key_lo, key_hi) from stdin (format binary);
copy analytics_run.batch (batch_id, events, bytes) from stdin (format binary);
commit;
