-- Raises data_quality.alert.v1 for new dead letters: one for each (reason, subject, tenant) until it is
-- resolved; more letters only count up in it. Letters about events of our own that came back by the
-- wildcard raise none, or an alert could feed itself. Any number of workers may run it.
-- $1 max_letters integer
-- $2 version text  of this program, for producedBy
-- rows: 1 (raised bigint)
with new as (
	update analytics_run.dead_letter set alerted = true
	where dead_letter_id in (
		select dead_letter_id
		from analytics_run.dead_letter
		where not alerted
		order by dead_letter_id
		limit $1::integer
		for update skip locked)
	returning reason, coalesce(subject, '') as subject, analytics_run.alert_tenant(tenant_id) as tenant_id, severity,
		replayed_at is null and acknowledged_at is null as open
), noted as (
	insert into analytics_run.dead_letter_alert as a (reason, subject, tenant_id, alert_id, severity, letters)
	select reason, subject, tenant_id, 'dqr_' || analytics_run.ulid(), min(severity), count(*)
	from new
	where open and subject not like 'melmastoon.analytics.%'
	group by reason, subject, tenant_id
	order by reason, subject, tenant_id
	on conflict (reason, subject, tenant_id) do update set letters = a.letters + excluded.letters
	returning *, xmax = 0 as raised
), sent as (
	insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
	select tenant_id, 'melmastoon.analytics.data_quality.alert.v1', nullif(tenant_id, '_platform'),
		analytics_run.envelope('melmastoon.analytics.data_quality.alert.v1', now(), nullif(tenant_id, '_platform'),
			tenant_id, 'cor_' || analytics_run.ulid(), $2::text,
			jsonb_build_object('checkId', 'dead_letter:' || reason, 'resultId', alert_id,
				'table', 'dead_letter', 'kind', 'dead_letter', 'severity', severity, 'observed', letters,
				'expected', 0, 'state', 'raised',
				'since', analytics_run.wire_time(raised_at),
				'reason', reason, 'subject', nullif(subject, '')))
	from noted
	where raised
	order by analytics_run.outbox_shard(tenant_id), tenant_id, alert_id
	returning 1
)
select count(*) as raised from sent
