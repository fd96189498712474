-- Tells that a job is done that is no refresh: melmastoon.analytics.etl.completed.v1. Told twice it is told
-- once.
-- $1 job_id text
-- $2 attempt integer
-- $3 tenant text      null: a job of the platform
-- $4 kind text
-- $5 trigger text
-- $6 version text     of this program, for producedBy
-- rows: none
with new as (
	insert into analytics_run.job_event (job_id, attempt, kind)
	values ($1::text, $2::integer, 'completed')
	on conflict do nothing
	returning 1
)
insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
select 'etl_' || $1::text, 'melmastoon.analytics.etl.completed.v1', $3::text, analytics_run.envelope(
	'melmastoon.analytics.etl.completed.v1', now(), $3::text, 'etl_' || $1::text, 'cor_' || substr($1::text, 5), $6::text,
	jsonb_build_object(
		'jobId', $1::text, 'runId', $1::text || '.' || $2::integer, 'projectionKey', null, 'kind', $4::text,
		'trigger', $5::text, 'rowsIn', 0, 'rowsOut', 0, 'durationMs', null, 'reason', null))
from new
