-- Tells that a run of a job is done: melmastoon.analytics.etl.completed.v1. Told twice it is told once, so
-- of a refresh nothing more than what count_portion.sql has told with the data. A run that was told to have
-- failed, because its worker had gone silent, stays that.
-- $1 job_id text
-- $2 attempt integer
-- $3 tenant text          null: a job of the platform
-- $4 projection text      null: it is about none
-- $5 kind text
-- $6 trigger text
-- $7 rows_in bigint
-- $8 rows_out bigint
-- $9 duration_ms bigint
-- $10 version text        of this program, for producedBy
-- rows: none
with new as (
	insert into analytics_run.job_event (job_id, attempt, kind)
	values ($1::text, $2::integer, 'completed')
	on conflict do nothing
	returning 1
)
insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
select 'etl_' || $1::text, 'melmastoon.analytics.etl.completed.v1', $3::text, analytics_run.envelope(
	'melmastoon.analytics.etl.completed.v1', now(), $3::text, 'etl_' || $1::text, 'cor_' || substr($1::text, 5), $10::text,
	jsonb_build_object(
		'jobId', $1::text, 'runId', $1::text || '.' || $2::integer, 'projectionKey', $4::text, 'kind', $5::text,
		'trigger', $6::text, 'rowsIn', $7::bigint, 'rowsOut', $8::bigint, 'durationMs', $9::bigint, 'reason', null))
from new
