-- Counts a portion of a job; with the last one of a refresh etl.completed goes to the outbox, in the
-- transaction of the data. A build is not at its end then: complete_job.sql tells of that. The last
-- statement of a unit of work: other shards of the job wait for its commit.
-- $1 job_id text
-- $2 was_last boolean    nothing is left of this portion's row of touched
-- $3 keys bigint
-- $4 changed bigint      rows put or cut
-- $5 version text        of this program, for producedBy
-- rows: none
with counted as (
	update analytics_run.job set
		touches_left = touches_left - $2::boolean::integer, rows_in = rows_in + $3::bigint, rows_out = rows_out + $4::bigint
	where job_id = $1::text and touches_left > 0
	returning job_id, attempt, tenant_id, projection, trigger, rows_in, rows_out, touches_left, opened_at
), done as (
	insert into analytics_run.job_event (job_id, attempt, kind)
	select job_id, attempt, 'completed'
	from counted c
	where touches_left = 0 and not exists (select from analytics_run.build b where b.job_id = c.job_id)
	on conflict do nothing
	returning job_id
)
insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
select 'etl_' || job_id, 'melmastoon.analytics.etl.completed.v1', tenant_id, analytics_run.envelope(
	'melmastoon.analytics.etl.completed.v1', now(), tenant_id, 'etl_' || job_id, 'cor_' || substr(job_id, 5), $5::text,
	jsonb_build_object(
		'jobId', job_id, 'runId', job_id || '.' || attempt, 'projectionKey', projection, 'trigger', trigger,
		'rowsIn', rows_in, 'rowsOut', rows_out,
		'durationMs', round(extract(epoch from clock_timestamp() - opened_at) * 1000), 'reason', null))
from counted
join done using (job_id)
