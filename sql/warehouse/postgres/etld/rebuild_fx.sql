-- dim_fx as a function of all rates ever said of the given pairs and days: of a local day the last
-- snapshot holds. The day of a snapshot is the one of its property, in UTC where that is not known.
-- Captured at the same instant, the one said later wins: a correction does, a folio that repeats what
-- was corrected does not, since a rate counts from when it was first said.
-- Needs lock_unit, in a statement of its own before. The shape: see rebuild_reservation.sql.
-- $1 tenants text[]
-- $2 keys text[]  `<base>/<quote>@<UTC date>`; keys[i] of tenants[i]
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct tenant_id, left(key, 3) as base_currency, substr(key, 5, 3) as quote_currency,
		substr(key, 9)::date + beside as rate_date
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	cross join generate_series(-1, 1) beside
	where n between $3::integer and $4::integer
), fresh as materialized (
	select w.tenant_id, w.base_currency, w.quote_currency, w.rate_date, round(f.rate * 1000000)::bigint as rate_micro, f.rate,
		nullif(f.source, '') as source, f.captured_at, f.batch_id
	from wanted w
	cross join lateral (
		select e.rate, e.source, e.captured_at, e.batch_id
		from analytics_curated.event_fx e
		left join analytics_curated.dim_property p on p.tenant_id = e.tenant_id and p.property_id = e.property_id
		where e.tenant_id = w.tenant_id and e.base_currency = w.base_currency and e.quote_currency = w.quote_currency
			and e.captured_at >= (w.rate_date - interval '15 hours') at time zone 'UTC'
			and e.captured_at < (w.rate_date + interval '39 hours') at time zone 'UTC'
			and (e.captured_at at time zone coalesce(p.timezone, 'UTC'))::date = w.rate_date
		order by e.captured_at desc, e.said_at desc, e.event_id desc, e.rate desc, e.source desc
		limit 1) f
), old as materialized (
	select w.tenant_id, f.base_currency, f.quote_currency, f.rate_date, f.row_at, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.base_currency, f.quote_currency, f.rate_date, (
			f.rate_micro, f.rate, f.source, f.captured_at) as content
		from analytics_live.dim_fx f
		where f.tenant_id = w.tenant_id and f.base_currency = w.base_currency and f.quote_currency = w.quote_currency
			and f.rate_date = w.rate_date
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.rate_date as old_rate_date, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.base_currency = n.base_currency
		and o.quote_currency = n.quote_currency and o.rate_date = n.rate_date
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.rate_micro, n.rate, n.source, n.captured_at)
), put as (
	insert into analytics_live.dim_fx
		(tenant_id, base_currency, quote_currency, rate_date, rate_micro, rate, source, captured_at, _batch_id,
		 _updated_at)
	select tenant_id, base_currency, quote_currency, rate_date, rate_micro, rate, source, captured_at, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, base_currency, quote_currency, rate_date) do update set
		(rate_micro, rate, source, captured_at, _batch_id, _updated_at) =
		(excluded.rate_micro, excluded.rate, excluded.source, excluded.captured_at, excluded._batch_id,
		 excluded._updated_at)
), cut as (
	delete from analytics_live.dim_fx where row_at = any (array(
		select row_at from diff where tenant_id is null))
), cell as materialized (
	select coalesce(tenant_id, old_tenant_id) as tenant_id, coalesce(rate_date, old_rate_date) as day, count(tenant_id) as put,
		count(*) - count(tenant_id) as cut
	from diff
	group by 1, 2
), dirty as (
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select tenant_id, 'dim_fx', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'dim_fx' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
