-- Resolves the alerts whose letters have all been replayed or acknowledged.
-- $1 version text  of this program, for producedBy
-- rows: 1 (resolved bigint)
with resolved as (
	delete from analytics_run.dead_letter_alert a
	where not exists (
		select from analytics_run.dead_letter d
		where d.replayed_at is null and d.acknowledged_at is null and d.reason = a.reason
			and coalesce(d.subject, '') = a.subject and analytics_run.alert_tenant(d.tenant_id) = a.tenant_id)
	returning *
), sent as (
	insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
	select tenant_id, 'melmastoon.analytics.data_quality.alert.v1', nullif(tenant_id, '_platform'),
		analytics_run.envelope('melmastoon.analytics.data_quality.alert.v1', now(), nullif(tenant_id, '_platform'),
			tenant_id, 'cor_' || analytics_run.ulid(), $1::text,
			jsonb_build_object('checkId', 'dead_letter:' || reason, 'resultId', alert_id,
				'table', 'dead_letter', 'kind', 'dead_letter', 'severity', severity, 'observed', 0,
				'expected', 0, 'state', 'resolved', 'letters', letters,
				'since', analytics_run.wire_time(now()),
				'reason', reason, 'subject', nullif(subject, '')))
	from resolved
	order by analytics_run.outbox_shard(tenant_id), tenant_id, alert_id
	returning 1
)
select count(*) as resolved from sent
