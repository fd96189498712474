-- The backfill of a table that is queued or running, if there is one.
-- $1 tables text[]  of its consumer
-- rows: 0 or 1 (job_id text, rereads boolean)
select job_id, coalesce(params -> 'reread' = 'true', false) as rereads
from analytics.etl_jobs
where kind = 'backfill' and projection = any ($1::text[]) and state in ('queued', 'running')
order by created_at
limit 1
