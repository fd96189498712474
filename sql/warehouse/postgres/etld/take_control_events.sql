-- Landed events that ask for a job, the oldest first, as arrays: they go to enqueue_event_jobs.sql and
-- then to drop_control_events.sql as they are. Taking locks nothing: doing it twice is harmless.
-- $1 max_events integer
-- rows: 1 (events bigint, job_ids text[], kinds text[], tenants text[], keys text[], params text[])
select count(*) as events, array_agg('job_' || analytics_run.ulid()) as job_ids, array_agg(kind) as kinds,
	array_agg(tenant_id) as tenants, array_agg(dedupe_key) as keys,
	array_agg(jsonb_build_object('subject', subject, 'dedupeKey', dedupe_key,
		'occurredAt', to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text) as params
from (
	select kind, tenant_id, dedupe_key, subject, occurred_at
	from analytics_run.control_event
	order by landed_at
	limit $1::integer) e
