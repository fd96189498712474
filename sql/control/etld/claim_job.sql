-- Takes the job that has been due longest, of the kinds that this worker can do, opens a run of it and
-- leases both to this worker. Forecasts, of which a producer may send thousands, come behind all others.
-- $1 worker text
-- $2 lease interval
-- $3 kinds text[]
-- rows: 0 or 1 (job_id text, kind text, projection text, tenant_id text, params text, attempt
--   integer, max_attempts integer, trigger text, dependencies text[], dependency_consumers text[]);
--   the last two, parallel, are what the projection reads beside its own events
-- locks: the job's row, skipping those that others are taking
with due as (
	select job_id
	from analytics.etl_jobs
	where state = 'queued' and run_after <= now() and kind = any ($3::text[])
	order by kind = 'forecast', run_after, job_id
	limit 1
	for update skip locked
), claimed as (
	update analytics.etl_jobs j set
		state = 'running', attempt = j.attempt + 1, worker = $1::text, lease_until = now() + $2::interval, error = null
	from due
	where j.job_id = due.job_id
	returning j.job_id, j.kind, j.projection, j.tenant_id, j.params, j.attempt, j.max_attempts, j.trigger
), run as (
	insert into analytics.etl_runs (job_id, attempt, tenant_id, state, worker)
	select job_id, attempt, tenant_id, 'running', $1::text from claimed
), told as (
	insert into analytics.etl_events (job_id, attempt, kind, tenant_id, projection, trigger)
	select job_id, attempt, 'started', tenant_id, projection, trigger from claimed
)
select c.job_id, c.kind, c.projection, c.tenant_id, c.params::text as params, c.attempt, c.max_attempts, c.trigger,
	d.dependencies, d.dependency_consumers
from claimed c
cross join lateral (
	select coalesce(array_agg(p.key order by p.key), '{}') as dependencies,
		coalesce(array_agg(p.consumer order by p.key), '{}') as dependency_consumers
	from analytics.projections p
	where p.status = 'active' and p.key = any (array(
		select unnest(own.depends_on)
		from analytics.projections own
		where own.key = c.projection and own.status = 'active'))) d
