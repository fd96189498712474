-- Opens a refresh: queues every key of a projection's consumer, one row a tenant, worked off in
-- portions behind what lands meanwhile. Opened again by a later attempt it is the same job, with what
-- is left of it. A tenant takes part when the projection was built from something that landed, and
-- every dependency that has landed was built once; without any the source is not ready.
-- $1 job_id text
-- $2 attempt integer
-- $3 tenant text                  null = every tenant
-- $4 projection text
-- $5 consumer text
-- $6 trigger text
-- $7 dependencies text[]          tables that the projection reads beside its own events
-- $8 dependency_consumers text[]  parallel
-- $9 params text                 JSON; from, to: only the keys of events of these days (UTC, inclusive)
-- rows: 1 (touches bigint, landed boolean); touches 0: the source is not ready, because a dependency
--   is not built (landed), or nothing of it has landed
with known as materialized (
	select tenant_id
	from analytics_run.table_state
	where table_name = $4::text and ($3::text is null or tenant_id = $3::text)
), ready as materialized (
	select tenant_id
	from known k
	where not exists (
		select
		from unnest($7::text[], $8::text[]) as d (table_name, consumer)
		where not exists (
				select from analytics_run.table_state s
				where s.tenant_id = k.tenant_id and s.table_name = d.table_name)
			and exists (
				select from analytics_run.delta p
				where p.consumer = d.consumer and p.shard = analytics_run.shard_of(k.tenant_id)
					and p.tenant_id = k.tenant_id))
), opened as (
	insert into analytics_run.job (job_id, attempt, tenant_id, projection, trigger, touches, touches_left)
	select $1::text, $2::integer, $3::text, $4::text, $6::text, r.tenants, r.tenants
	from (select count(*)::integer as tenants from ready) r
	where r.tenants > 0
	on conflict (job_id) do update set attempt = excluded.attempt
	returning job_id, xmax = 0 as is_new
), touched as (
	insert into analytics_run.touched (consumer, tenant_id, kind, key, job_id, since, until)
	select $5::text, r.tenant_id, 'all', '', o.job_id,
		coalesce((w.params ->> 'from')::date at time zone 'UTC', '-infinity'),
		coalesce(((w.params ->> 'to')::date + 1) at time zone 'UTC', 'infinity')
	from opened o
	cross join (select $9::jsonb as params) w
	cross join ready r
	where o.is_new
	returning 1
)
select coalesce((select touches from analytics_run.job where job_id = $1::text), (select count(*) from touched)) as touches,
	exists (select from known) as landed
