-- The order in which jobs are claimed (etld/claim_job.sql).
set local role analytics_owner;

create index etl_jobs_claimable on analytics.etl_jobs ((kind = 'forecast'), run_after, job_id) where state = 'queued';
drop index analytics.etl_jobs_due;

reset role;
