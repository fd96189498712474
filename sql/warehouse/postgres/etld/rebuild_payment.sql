-- fact_payment as a function of all events of the given transactions: the last event in order says
-- what became of it, an attribute is the last one given, and the day is local to the property.
-- Needs lock_unit, in a statement of its own before. The shape: see rebuild_reservation.sql.
-- $1 tenants text[]
-- $2 keys text[]  transaction ids; keys[i] of tenants[i]
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct tenant_id, key as transaction_id
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
), fresh as materialized (
	select w.tenant_id, w.transaction_id, f.payment_id, f.reservation_id, f.folio_id, f.property_id,
		case when f.verb like 'chargeback.%' then 'chargeback' else split_part(f.verb, '.', 2) end as kind,
		case when f.verb like 'chargeback.%' then split_part(f.verb, '.', 2) end as outcome,
		f.method, f.vendor, f.amount_micro, f.currency, f.failure_code, f.occurred_at,
		(f.occurred_at at time zone coalesce(p.timezone, 'UTC'))::date as business_date, f.batch_id
	from wanted w
	cross join lateral (
		select
			(array_agg(payment_id) filter (where payment_id is not null))[count(payment_id)] as payment_id,
			(array_agg(reservation_id) filter (where reservation_id is not null))[count(reservation_id)] as reservation_id,
			(array_agg(folio_id) filter (where folio_id is not null))[count(folio_id)] as folio_id,
			(array_agg(property_id) filter (where property_id is not null))[count(property_id)] as property_id,
			(array_agg(method) filter (where method is not null))[count(method)] as method,
			(array_agg(vendor) filter (where vendor is not null))[count(vendor)] as vendor,
			(array_agg(failure_code) filter (where failure_code is not null))[count(failure_code)] as failure_code,
			(array_agg(amount_micro) filter (where amount_micro is not null))[count(amount_micro)] as amount_micro,
			(array_agg(currency) filter (where amount_micro is not null))[count(amount_micro)] as currency,
			(array_agg(verb))[count(*)] as verb, max(occurred_at) as occurred_at, max(batch_id) as batch_id
		from (
			select e.*
			from analytics_curated.event_payment e
			where e.tenant_id = w.tenant_id and e.transaction_id = w.transaction_id
			order by e.occurred_at, e.aggregate_version nulls first, e.event_id
			offset 0) in_order
		having count(*) > 0) f
	left join analytics_curated.dim_property p on p.tenant_id = w.tenant_id and p.property_id = f.property_id
), old as materialized (
	select w.tenant_id, w.transaction_id, f.row_at, f.business_date, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.business_date,
			(f.payment_id, f.reservation_id, f.folio_id, f.property_id, f.kind, f.outcome, f.method, f.vendor,
			 f.amount_micro, f.currency, f.failure_code, f.occurred_at, f.business_date) as content
		from analytics_live.fact_payment f
		where f.tenant_id = w.tenant_id and f.transaction_id = w.transaction_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.business_date as old_business_date, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.transaction_id = n.transaction_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.payment_id, n.reservation_id, n.folio_id, n.property_id, n.kind, n.outcome, n.method, n.vendor,
		n.amount_micro, n.currency, n.failure_code, n.occurred_at, n.business_date)
), put as (
	insert into analytics_live.fact_payment
		(tenant_id, transaction_id, payment_id, reservation_id, folio_id, property_id, kind, outcome, method, vendor,
		 amount_micro, currency, failure_code, occurred_at, business_date, _batch_id, _updated_at)
	select tenant_id, transaction_id, payment_id, reservation_id, folio_id, property_id, kind, outcome, method, vendor,
		amount_micro, currency, failure_code, occurred_at, business_date, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, transaction_id) do update set
		(payment_id, reservation_id, folio_id, property_id, kind, outcome, method, vendor, amount_micro, currency,
		 failure_code, occurred_at, business_date, _batch_id, _updated_at) =
		(excluded.payment_id, excluded.reservation_id, excluded.folio_id, excluded.property_id, excluded.kind,
		 excluded.outcome, excluded.method, excluded.vendor, excluded.amount_micro, excluded.currency,
		 excluded.failure_code, excluded.occurred_at, excluded.business_date, excluded._batch_id,
		 excluded._updated_at)
), cut as (
	delete from analytics_live.fact_payment where row_at = any (array(
		select row_at from diff where tenant_id is null))
), changed (tenant_id, day, put, cut) as (
	select tenant_id, business_date, 1, 0 from diff where tenant_id is not null
	union all
	select old_tenant_id, old_business_date, 0, (tenant_id is null)::integer from diff
	where old_tenant_id is not null and old_business_date is distinct from business_date
), cell as materialized (
	select tenant_id, day, sum(put) as put, sum(cut) as cut from changed group by tenant_id, day
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'fact_payment', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'fact_payment' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
