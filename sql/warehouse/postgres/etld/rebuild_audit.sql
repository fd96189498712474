-- fact_audit_event: the given events as they were said.
-- Needs lock_unit, in a statement of its own before. The shape: see rebuild_reservation.sql.
-- $1 tenants text[]
-- $2 keys text[]  event ids; keys[i] of tenants[i]
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct tenant_id, key as event_id
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
), fresh as materialized (
	select w.tenant_id, w.event_id, e.subject, e.entity_type, case when x.guest_key is null then e.entity_key end as entity_key,
		e.correlation_id, e.occurred_at, (e.occurred_at at time zone 'UTC')::date as business_date, e.batch_id
	from wanted w
	cross join lateral (
		select *
		from analytics_curated.event_audit e
		where e.tenant_id = w.tenant_id and e.event_id = w.event_id
		offset 0) e
	left join analytics_run.erased x on x.tenant_id = w.tenant_id and x.guest_key = e.entity_key
), old as materialized (
	select w.tenant_id, f.event_id, f.row_at, f.business_date, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.event_id, f.business_date, (
			f.subject, f.entity_type, f.entity_key, f.correlation_id, f.occurred_at, f.business_date) as content
		from analytics_live.fact_audit_event f
		where f.tenant_id = w.tenant_id and f.event_id = w.event_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.business_date as old_business_date, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.event_id = n.event_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.subject, n.entity_type, n.entity_key, n.correlation_id, n.occurred_at, n.business_date)
), put as (
	insert into analytics_live.fact_audit_event
		(tenant_id, event_id, subject, entity_type, entity_key, correlation_id, occurred_at, business_date, _batch_id,
		 _updated_at)
	select tenant_id, event_id, subject, entity_type, entity_key, correlation_id, occurred_at, business_date, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, event_id) do update set
		(subject, entity_type, entity_key, correlation_id, occurred_at, business_date, _batch_id, _updated_at) =
		(excluded.subject, excluded.entity_type, excluded.entity_key, excluded.correlation_id, excluded.occurred_at,
		 excluded.business_date, excluded._batch_id, excluded._updated_at)
), cut as (
	delete from analytics_live.fact_audit_event where row_at = any (array(
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
	select tenant_id, 'fact_audit_event', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'fact_audit_event' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
