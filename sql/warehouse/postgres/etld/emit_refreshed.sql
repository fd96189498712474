-- Moves what is due from refresh_due to the outbox, as melmastoon.analytics.projection.refreshed.v1.
-- Without days there is no window. Rows that all came from one run of a job are told as that run's. Any
-- number of workers may run it.
-- $1 max_rows integer
-- $2 version text  of this program, for producedBy
-- rows: 1 (emitted bigint)
with due as (
	delete from analytics_run.refresh_due
	where (tenant_id, projection) in (
		select tenant_id, projection
		from analytics_run.refresh_due
		where due_at <= now()
		order by due_at
		limit $1::integer
		for update skip locked)
	returning tenant_id, projection, coalesce(job_run, run_id) as run_id, split_part(job_run, '.', 1) as job_id, day_from,
		day_to, rows_upserted, rows_deleted, watermark, refreshed_at
), emitted as (
	insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
	select tenant_id, 'melmastoon.analytics.projection.refreshed.v1', tenant_id, analytics_run.envelope(
		'melmastoon.analytics.projection.refreshed.v1', refreshed_at, tenant_id, tenant_id, 'cor_' || substr(coalesce(job_id, run_id), 5),
		$2::text, jsonb_build_object(
			'projectionKey', projection,
			'version', (select live from analytics_run.version where table_name = projection), 'jobId', job_id, 'runId', run_id,
			'windows', case when day_from is null then '[]'
				else jsonb_build_array(jsonb_build_object('from', day_from, 'to', day_to)) end,
			'rowsUpserted', rows_upserted, 'rowsDeleted', rows_deleted,
			'watermark', analytics_run.wire_time(watermark),
			'freshnessSeconds', round(extract(epoch from refreshed_at - watermark), 3)))
	from due
	order by analytics_run.outbox_shard(tenant_id), tenant_id
	returning 1
)
select count(*) as emitted from emitted
