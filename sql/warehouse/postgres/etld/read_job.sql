-- How far an open job is.
-- $1 job_id text
-- rows: 0 or 1 (touches bigint, touches_left bigint, rows_in bigint, rows_out bigint); none = somebody
--   has closed it
select touches, touches_left, rows_in, rows_out
from analytics_run.job
where job_id = $1::text
