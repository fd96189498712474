-- Raw events of payments -> analytics_curated.event_payment. This file is the assumption about the
-- payloads of melmastoon.payment.*; an event without a transaction id is set aside in failed_keys.
-- Needs lock_unit and take_delta.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1, as of append_reservation.sql; keys are transaction ids
with read as materialized (
	select r.tenant_id, r.occurred_at, r.event_id, r.aggregate_version, r.batch_id, r.verb,
		coalesce(analytics_run.id_of(r.p, 'transactionId'), analytics_run.id_of(r.p, 'chargebackId')) as transaction_id,
		analytics_run.id_of(r.p, 'paymentId') as payment_id,
		analytics_run.id_of(r.p, 'reservationId') as reservation_id,
		analytics_run.id_of(r.p, 'folioId') as folio_id,
		analytics_run.id_of(r.p, 'propertyId') as property_id,
		analytics_run.word_of(r.p, 'method') as method,
		analytics_run.word_of(r.p, 'vendor') as vendor,
		analytics_run.to_micro(r.p -> 'amount') as amount_micro,
		analytics_run.currency_of(r.p -> 'amount') as currency,
		analytics_run.word_of(r.p, 'failureCode') as failure_code
	from (
		select e.tenant_id, e.occurred_at, e.dedupe_key as event_id, e.aggregate_version, e.batch_id,
			split_part(e.subject, '.', 3) || '.' || split_part(e.subject, '.', 4) as verb,
			analytics_run.payload_of(e.body, e.payload_key) as p
		from events_raw.taken('payment', $1::bigint[], $2::text[], $3::text, $4::text) e
		where e.subject in ('melmastoon.payment.transaction.authorized.v1', 'melmastoon.payment.transaction.captured.v1',
				'melmastoon.payment.transaction.refunded.v1', 'melmastoon.payment.transaction.voided.v1',
				'melmastoon.payment.transaction.failed.v1', 'melmastoon.payment.chargeback.opened.v1',
				'melmastoon.payment.chargeback.won.v1', 'melmastoon.payment.chargeback.lost.v1')
		offset 0) r
), bad as (
	insert into analytics_run.failed_keys as f (consumer, tenant_id, key, error)
	select 'payment', tenant_id, 'event:' || event_id, 'no transactionId'
	from read
	where transaction_id is null
	on conflict (consumer, tenant_id, key) do update set
		error = excluded.error, attempts = f.attempts + 1, last_failed_at = now()
	returning 1
), added as (
	insert into analytics_curated.event_payment
		(tenant_id, transaction_id, occurred_at, event_id, aggregate_version, batch_id, verb, payment_id, reservation_id,
		 folio_id, property_id, method, vendor, amount_micro, currency, failure_code)
	select tenant_id, transaction_id, occurred_at, event_id, aggregate_version, batch_id, verb, payment_id, reservation_id,
		folio_id, property_id, method, vendor, amount_micro, currency, failure_code
	from read
	where transaction_id is not null
	order by tenant_id, transaction_id, occurred_at, event_id
	on conflict (tenant_id, transaction_id, occurred_at, event_id) do nothing
	returning tenant_id, transaction_id
), touched as (
	select distinct tenant_id, transaction_id from added
)
select array_agg(tenant_id order by tenant_id, transaction_id) as tenants,
	array_agg(transaction_id order by tenant_id, transaction_id) as keys,
	(select count(*) from added) as events, (select count(*) from bad) as rejected
from touched
