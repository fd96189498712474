-- Tells what changed with a job: melmastoon.analytics.etl.{started,failed}.v1. Told twice it is told
-- once, and a run that was told to be completed does not fail any more.
-- $1 job_id text
-- $2 attempt integer
-- $3 kind text             started, failed
-- $4 tenant text           null: a job of the platform
-- $5 projection text
-- $6 trigger text
-- $7 rows_in bigint
-- $8 rows_out bigint
-- $9 duration_ms bigint
-- $10 reason text          null unless it failed, like the next two
-- $11 detail text
-- $12 retriable boolean
-- $13 occurred_at timestamptz
-- $14 version text         of this program, for producedBy
-- rows: none
with new as (
	insert into analytics_run.job_event (job_id, attempt, kind)
	values ($1::text, $2::integer, $3::text)
	on conflict do nothing
	returning 'melmastoon.analytics.etl.' || kind || '.v1' as subject
)
insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
select 'etl_' || $1::text, subject, $4::text, analytics_run.envelope(
	subject, $13::timestamptz, $4::text, 'etl_' || $1::text, 'cor_' || substr($1::text, 5), $14::text,
	jsonb_build_object(
		'jobId', $1::text, 'runId', $1::text || '.' || $2::integer, 'projectionKey', $5::text, 'trigger', $6::text,
		'rowsIn', $7::bigint, 'rowsOut', $8::bigint, 'durationMs', $9::bigint, 'reason', $10::text)
	|| case when $3::text = 'failed' then jsonb_build_object('detail', $11::text, 'retriable', $12::boolean)
		else '{}' end)
from new
