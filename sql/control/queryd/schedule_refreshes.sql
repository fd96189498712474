-- Asks etld for refreshes, for the scheduler; asked again under the same name there are no more.
-- $1 job_ids text[]
-- $2 projections text[]   parallel
-- $3 tenant text          null = all tenants
-- $4 name text            of the request, hashed; null = it has none
-- $5 request text         hash of its body
-- $6 reason text
insert into analytics.etl_jobs (job_id, tenant_id, kind, projection, trigger, schedule_key, params)
select j.job_id, $3::text, 'refresh', j.projection, 'scheduler', 'door:' || $4::text || ':' || j.position,
       pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('request', $5::text, 'reason', $6::text))
  from unnest($1::text[], $2::text[]) with ordinality as j (job_id, projection, position)
 where not exists (
           select
             from analytics.etl_jobs o
            where o.schedule_key = 'door:' || $4::text || ':1')
    on conflict (schedule_key) do nothing;
