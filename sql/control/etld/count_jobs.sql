-- Jobs that are not done.
-- rows: one for each state (state text, jobs bigint)
select 'queued' as state, count(*) as jobs from analytics.etl_jobs where state = 'queued'
union all
select 'running', count(*) from analytics.etl_jobs where state = 'running'
union all
select 'failed', count(*) from analytics.etl_jobs where state = 'failed'
