-- How far an open job is.
-- $1 job_id text
-- rows: 0 or 1 (touches bigint, touches_left bigint, rows_in bigint, rows_out bigint, walked bigint); none =
--   somebody has closed it; walked: touches is 0, it is about to be opened and has looked through so many
--   events of raw
select touches, touches_left, rows_in, rows_out, null::bigint as walked
from analytics_run.job
where job_id = $1::text
union all
select 0, 0, 0, 0, walked
from analytics_run.raw_walk
where job_id = $1::text
