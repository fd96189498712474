-- Queued jobs that wait for a version that can do them.
-- $1 kinds text[]  that this version can do
-- rows: one for each other kind (kind text, jobs bigint)
select kind, count(*) as jobs
from analytics.etl_jobs
where state = 'queued' and kind <> all ($1::text[])
group by kind
order by kind
