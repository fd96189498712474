-- Asks, once a year, for the job that raises the horizon of inventory to that year (UTC).
-- rows: none
insert into analytics.etl_jobs (job_id, kind, trigger, schedule_key, params)
select 'job_01' || upper(left(md5(h.schedule_key), 24)), 'horizon', 'scheduler', h.schedule_key,
	jsonb_build_object('year', h.year)
from (
	select y.year, 'horizon:' || y.year as schedule_key
	from to_char(now() at time zone 'UTC', 'YYYY') as y (year)) h
on conflict (schedule_key) do nothing
