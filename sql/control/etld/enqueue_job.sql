-- Asks for a job. Asked again under the same schedule key it is the same job, whatever its state.
-- $1 job_id text         job_<ULID>, used when the job is new
-- $2 kind text
-- $3 projection text     null = what the kind implies
-- $4 tenant text         null = all tenants
-- $5 trigger text
-- $6 schedule_key text   null = always a new job
-- $7 params text         JSON
-- rows: 1 (job_id text, made boolean)
with made as (
	insert into analytics.etl_jobs (job_id, kind, projection, tenant_id, trigger, schedule_key, params)
	values ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::jsonb)
	on conflict (schedule_key) do nothing
	returning job_id
)
select job_id, true as made from made
union all
select job_id, false from analytics.etl_jobs
where schedule_key = $6::text and not exists (select from made)
