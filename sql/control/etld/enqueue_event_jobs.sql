-- Makes a job of each event that asks for one. The event is the schedule key: asked again, whatever
-- has become of the job, it makes no second one. A tenant that was purged is only purged again.
-- $1 job_ids text[]   job_<ULID>, used when the job is new
-- $2 kinds text[]
-- $3 tenants text[]
-- $4 keys text[]      dedupe keys of the events
-- $5 params text[]    JSON
-- $6 grace interval   before a purge
-- rows: none
insert into analytics.etl_jobs (job_id, kind, tenant_id, trigger, schedule_key, params, run_after)
select job_id, kind, tenant_id, 'event', 'event:' || tenant_id || ':' || dedupe_key, params::jsonb,
	case kind when 'purge' then now() + $6::interval else now() end
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) as e (job_id, kind, tenant_id, dedupe_key, params)
where kind = 'purge' or not analytics.is_deleted(tenant_id)
on conflict (schedule_key) do nothing
