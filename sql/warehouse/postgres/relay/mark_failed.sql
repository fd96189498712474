-- The first row of a key could not be sent: the key waits, or is parked with an alert after its last
-- attempt. The alert goes under the platform's key, because the key itself is stopped; when that one
-- is parked there is only the log, the metric and `etld status`.
-- $1 id bigint
-- $2 error text
-- $3 wait interval     until the next attempt
-- $4 attempts integer  that a row has
-- $5 version text      of this program, for producedBy
-- rows: 0 or 1 (parked boolean); none = it was published or parked meanwhile
with failed as (
	update analytics_run.outbox set
		attempts = attempts + 1, last_error = left($2::text, 500), next_attempt_at = now() + $3::interval,
		parked_at = case when attempts + 1 >= $4::integer then now() end
	where outbox_id = $1::bigint and published_at is null and parked_at is null
	returning outbox_id, ordering_key, subject, attempts, parked_at
), alerted as (
	insert into analytics_run.outbox (ordering_key, subject, envelope)
	select '_platform', 'melmastoon.analytics.data_quality.alert.v1',
		analytics_run.envelope('melmastoon.analytics.data_quality.alert.v1', now(), null, '_platform',
			'cor_' || analytics_run.ulid(), $5::text,
			jsonb_build_object('checkId', 'outbox:parked', 'resultId', 'obx_' || outbox_id,
				'table', 'outbox', 'kind', 'outbox_parked', 'severity', 'critical', 'observed', attempts,
				'expected', 0, 'state', 'raised',
				'since', analytics_run.wire_time(parked_at),
				'orderingKey', ordering_key, 'subject', subject))
	from failed
	where parked_at is not null and ordering_key <> '_platform'
)
select parked_at is not null as parked from failed
