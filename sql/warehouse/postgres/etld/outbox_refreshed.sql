-- Notes that a projection has changed for some tenants; emit_refreshed.sql turns it into one
-- projection.refreshed.v1 for each (tenant, projection) in 10 s, the first one 10 s after the change.
-- $1 projection text
-- $2 tenants text[]          the arrays of a rebuild's row, null when nothing changed
-- $3 tenant_upserted bigint[]
-- $4 tenant_deleted bigint[]
-- $5 day_from date[]         null: no row that changed has a day
-- $6 day_to date[]
-- $7 batch_tenants text[]    as taken: tenants and landing times
-- $8 landed timestamptz[]
-- $9 job_id text             whose portion it was, null: of no job
-- rows: none
insert into analytics_run.refresh_due as d
	(tenant_id, projection, due_at, run_id, day_from, day_to, rows_upserted, rows_deleted, watermark, refreshed_at, job_run)
select tenant_id, $1::text, now() + interval '10 s', coalesce((
		-- the row that is there keeps its own: making one is most of the work
		select r.run_id
		from analytics_run.refresh_due r
		where r.tenant_id = t.tenant_id and r.projection = $1::text), 'run_' || analytics_run.ulid()), day_from, day_to, upserted, deleted,
	coalesce((
		select max(b.landed_at)
		from unnest($7::text[], $8::timestamptz[]) as b (tenant_id, landed_at)
		where b.tenant_id = t.tenant_id), now()), now(),
	(select j.job_id || '.' || j.attempt from analytics_run.job j where j.job_id = $9::text)
from unnest($2::text[], $3::bigint[], $4::bigint[], $5::date[], $6::date[])
	as t (tenant_id, upserted, deleted, day_from, day_to)
on conflict (tenant_id, projection) do update set
	day_from = least(d.day_from, excluded.day_from), day_to = greatest(d.day_to, excluded.day_to),
	rows_upserted = d.rows_upserted + excluded.rows_upserted, rows_deleted = d.rows_deleted + excluded.rows_deleted,
	watermark = greatest(d.watermark, excluded.watermark), refreshed_at = excluded.refreshed_at,
	job_run = case when d.job_run = excluded.job_run then d.job_run end
