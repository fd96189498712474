-- Tells of a unit of work that fails again and again, as melmastoon.analytics.projection.failed.v1: one for
-- each tenant that waits for it and each projection. Until one of these projections has been refreshed for the
-- tenant nothing more is told of it, whoever fails.
-- $1 consumer text
-- $2 projections text[]  that it writes
-- $3 shard integer
-- $4 portions boolean    it takes portions: of the row that is next, and of nobody else
-- $5 error text
-- $6 failures integer    in a row
-- $7 version text        of this program, for producedBy
-- rows: none
with portion as materialized (
	select tenant_id, job_id, beside
	from analytics_run.touched
	where $4::boolean and consumer = $1::text and shard = $3::integer and kind <> 'key'
	order by touch_id
	limit 1
), waiting as materialized (
	select tenant_id, job_id, beside from portion
	union
	select tenant_id, null, false
	from analytics_run.delta
	where not $4::boolean and consumer = $1::text and shard = $3::integer
	union
	select tenant_id, null, false
	from analytics_run.touched
	where not $4::boolean and consumer = $1::text and shard = $3::integer and kind = 'key'
), new as (
	insert into analytics_run.failing as f (consumer, tenant_id)
	select $1::text, tenant_id from waiting order by tenant_id
	on conflict (consumer, tenant_id) do update set told_at = now()
	where exists (
		select from analytics_run.table_state s
		where s.tenant_id = f.tenant_id and s.table_name = any ($2::text[]) and s.refreshed_at > f.told_at)
	returning tenant_id
)
insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
select w.tenant_id, 'melmastoon.analytics.projection.failed.v1', w.tenant_id, analytics_run.envelope(
	'melmastoon.analytics.projection.failed.v1', now(), w.tenant_id, w.tenant_id,
	'cor_' || coalesce(substr(w.job_id, 5), analytics_run.ulid()), $7::text, jsonb_build_object(
		'projectionKey', p.key, 'version', case when w.beside then coalesce(v.beside, v.live) else v.live end,
		'jobId', w.job_id, 'runId', w.job_id || '.' || j.attempt, 'reason', 'UNIT_FAILS', 'detail', left($5::text, 1000),
		'retriable', true, 'attempt', $6::integer))
from new
join waiting w using (tenant_id)
cross join unnest($2::text[]) as p (key)
join analytics_run.version v on v.table_name = p.key
left join analytics_run.job j on j.job_id = w.job_id
order by analytics_run.outbox_shard(w.tenant_id), w.tenant_id, p.key
