-- What changed with a job and is not in the outbox yet, oldest first.
-- rows: 0 or 1 (event_no bigint, job_id text, attempt integer, kind text, tenant_id text, projection
--   text, trigger text, rows_in bigint, rows_out bigint, duration_ms bigint, reason text, detail text,
--   retriable boolean, occurred_at text)
select event_no, job_id, attempt, kind, tenant_id, projection, trigger, rows_in, rows_out, duration_ms, reason, detail,
	retriable, occurred_at::text as occurred_at
from analytics.etl_events
order by event_no
limit 1
