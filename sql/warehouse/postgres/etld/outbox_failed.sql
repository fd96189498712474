-- Tells of the keys that this transaction has set aside for the first time, as
-- melmastoon.analytics.projection.failed.v1: one for each tenant and projection, however many keys. They are
-- tried again when they are touched; an event without a key is not.
-- $1 consumer text
-- $2 projections text[]  that it writes
-- $3 tenants text[]      of the unit of work; may repeat
-- $4 version text        of this program, for producedBy
-- $5 job_id text         whose portion it was, null: of no job
-- rows: none
insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
select f.tenant_id, 'melmastoon.analytics.projection.failed.v1', f.tenant_id, analytics_run.envelope(
	'melmastoon.analytics.projection.failed.v1', now(), f.tenant_id, f.tenant_id,
	'cor_' || coalesce(substr($5::text, 5), analytics_run.ulid()), $4::text, jsonb_build_object(
		'projectionKey', p.key, 'version', case when b.job_id is null then v.live else coalesce(v.beside, v.live) end,
		'jobId', j.job_id, 'runId', j.job_id || '.' || j.attempt, 'reason', 'KEYS_SET_ASIDE',
		'detail', f.keys || ' of ' || $1::text || ', the first ' || f.key || ': ' || f.error, 'retriable', f.retriable,
		'attempt', f.attempt))
from (
	select tenant_id, count(*) as keys, min(key) as key, (array_agg(error order by key))[1] as error,
		bool_or(key not like 'event:%') as retriable, max(attempts) as attempt
	from analytics_run.failed_keys
	where consumer = $1::text and tenant_id = any ($3::text[]) and first_failed_at = now()
	group by tenant_id) f
cross join unnest($2::text[]) as p (key)
join analytics_run.version v on v.table_name = p.key
left join analytics_run.job j on j.job_id = $5::text
left join analytics_run.build b on b.consumer = $1::text and b.job_id = $5::text
order by analytics_run.outbox_shard(f.tenant_id), f.tenant_id, p.key
