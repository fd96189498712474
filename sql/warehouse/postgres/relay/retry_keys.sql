-- Lets keys go on that are parked or wait for their next attempt, and resolves the alerts of those
-- that were parked.
-- $1 keys text[]   null = all
-- $2 version text  of this program, for producedBy
-- rows: one for each key (ordering_key text, was_parked boolean)
with stopped as (
	select outbox_id, ordering_key, subject, parked_at
	from analytics_run.outbox
	where published_at is null and attempts > 0 and ($1::text[] is null or ordering_key = any ($1::text[]))
	order by outbox_id
	for update
), freed as (
	update analytics_run.outbox o set attempts = 0, next_attempt_at = now(), parked_at = null
	from stopped
	where o.outbox_id = stopped.outbox_id
), resolved as (
	insert into analytics_run.outbox (ordering_key, subject, envelope)
	select '_platform', 'melmastoon.analytics.data_quality.alert.v1',
		analytics_run.envelope('melmastoon.analytics.data_quality.alert.v1', now(), null, '_platform',
			'cor_' || analytics_run.ulid(), $2::text,
			jsonb_build_object('checkId', 'outbox:parked', 'resultId', 'obx_' || outbox_id,
				'table', 'outbox', 'kind', 'outbox_parked', 'severity', 'critical', 'observed', 0,
				'expected', 0, 'state', 'resolved',
				'since', analytics_run.wire_time(now()),
				'orderingKey', ordering_key, 'subject', subject))
	from stopped
	where parked_at is not null and ordering_key <> '_platform'
	order by outbox_id
)
select ordering_key, parked_at is not null as was_parked from stopped
