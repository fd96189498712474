-- fact_housekeeping_task as a function of all events of the given tasks: an attribute is the last one
-- given, the status the last step in order (an escalation is none), and a task that was never created
-- has no row. Assigned is the first time, started and completed are the last: a room that failed its
-- inspection is cleaned again. Ready is when it passed, or was completed and not inspected since.
-- Minutes are whole ones, rounded down, and null rather than negative.
-- Needs lock_unit, in a statement of its own before. The shape: see rebuild_reservation.sql.
-- $1 tenants text[]
-- $2 keys text[]  task ids; keys[i] of tenants[i]
-- $3 first integer
-- $4 last integer
-- rows: 1, as of rebuild_reservation.sql
with wanted as materialized (
	select distinct tenant_id, key as task_id
	from unnest($1::text[], $2::text[]) with ordinality as k (tenant_id, key, n)
	where n between $3::integer and $4::integer
), fresh as materialized (
	select w.tenant_id, w.task_id, f.property_id, f.room_id, f.reservation_id, f.kind, f.priority,
		case f.verb when 'reassigned' then 'assigned' else f.verb end as status, f.source, f.created_at, f.assigned_at,
		f.started_at, f.completed_at, f.inspected_at, r.ready_at,
		case when m.to_start >= 0 then m.to_start end as minutes_to_start,
		case when m.to_complete >= 0 then m.to_complete end as minutes_to_complete,
		case when m.to_ready >= 0 then m.to_ready end as minutes_to_ready, f.reassignments, f.escalations,
		case when x.guest_key is null then f.staff_key end as staff_key, f.result as inspection_result,
		(f.created_at at time zone coalesce(p.timezone, 'UTC'))::date as business_date, f.last_event_at, f.batch_id
	from wanted w
	cross join lateral (
		select
			(array_agg(property_id) filter (where property_id is not null))[count(property_id)] as property_id,
			(array_agg(room_id) filter (where room_id is not null))[count(room_id)] as room_id,
			(array_agg(reservation_id) filter (where reservation_id is not null))[count(reservation_id)] as reservation_id,
			(array_agg(kind) filter (where kind is not null))[count(kind)] as kind,
			(array_agg(priority) filter (where priority is not null))[count(priority)] as priority,
			(array_agg(source) filter (where source is not null))[count(source)] as source,
			(array_agg(staff_key) filter (where staff_key is not null))[count(staff_key)] as staff_key,
			(array_agg(result) filter (where verb = 'inspected'))[count(*) filter (where verb = 'inspected')] as result,
			(array_agg(verb) filter (where verb <> 'escalated'))[count(*) filter (where verb <> 'escalated')] as verb,
			min(at) filter (where verb = 'created') as created_at,
			min(at) filter (where verb in ('assigned', 'reassigned')) as assigned_at,
			max(at) filter (where verb = 'started') as started_at,
			max(at) filter (where verb = 'completed') as completed_at,
			max(at) filter (where verb = 'inspected') as inspected_at,
			(count(*) filter (where verb = 'reassigned'))::integer as reassignments,
			(count(*) filter (where verb = 'escalated'))::integer as escalations,
			max(occurred_at) as last_event_at, max(batch_id) as batch_id
		from (
			select e.*
			from analytics_curated.event_housekeeping e
			where e.tenant_id = w.tenant_id and e.task_id = w.task_id
			order by e.occurred_at, e.aggregate_version nulls first, e.event_id
			offset 0) in_order
		having bool_or(verb = 'created')) f
	cross join lateral (
		select case
			when f.verb = 'cancelled' then null
			when f.completed_at > f.inspected_at or f.inspected_at is null then f.completed_at
			when f.result = 'passed' then f.inspected_at
		end as ready_at) r
	cross join lateral (
		select floor(extract(epoch from f.started_at - f.created_at) / 60)::integer as to_start,
			floor(extract(epoch from f.completed_at - f.started_at) / 60)::integer as to_complete,
			floor(extract(epoch from r.ready_at - f.created_at) / 60)::integer as to_ready) m
	left join analytics_curated.dim_property p on p.tenant_id = w.tenant_id and p.property_id = f.property_id
	left join analytics_run.erased x on x.tenant_id = w.tenant_id and x.guest_key = f.staff_key
), old as materialized (
	select w.tenant_id, f.task_id, f.row_at, f.business_date, f.content
	from wanted w
	cross join lateral (
		select f.row_at, f.task_id, f.business_date, (
			f.property_id, f.room_id, f.reservation_id, f.kind, f.priority, f.status, f.source, f.created_at,
			f.assigned_at, f.started_at, f.completed_at, f.inspected_at, f.ready_at, f.minutes_to_start,
			f.minutes_to_complete, f.minutes_to_ready, f.reassignments, f.escalations, f.staff_key, f.inspection_result,
			f.business_date, f.last_event_at) as content
		from analytics_live.fact_housekeeping_task f
		where f.tenant_id = w.tenant_id and f.task_id = w.task_id
		offset 0) f
), diff as materialized (
	select n.*, o.tenant_id as old_tenant_id, o.business_date as old_business_date, o.row_at
	from fresh n
	full join old o on o.tenant_id = n.tenant_id and o.task_id = n.task_id
	where n.tenant_id is null or o.tenant_id is null or o.content *<> (
		n.property_id, n.room_id, n.reservation_id, n.kind, n.priority, n.status, n.source, n.created_at, n.assigned_at,
		n.started_at, n.completed_at, n.inspected_at, n.ready_at, n.minutes_to_start, n.minutes_to_complete,
		n.minutes_to_ready, n.reassignments, n.escalations, n.staff_key, n.inspection_result, n.business_date,
		n.last_event_at)
), put as (
	insert into analytics_live.fact_housekeeping_task
		(tenant_id, task_id, property_id, room_id, reservation_id, kind, priority, status, source, created_at,
		 assigned_at, started_at, completed_at, inspected_at, ready_at, minutes_to_start, minutes_to_complete,
		 minutes_to_ready, reassignments, escalations, staff_key, inspection_result, business_date, last_event_at,
		 _batch_id, _updated_at)
	select tenant_id, task_id, property_id, room_id, reservation_id, kind, priority, status, source, created_at, assigned_at,
		started_at, completed_at, inspected_at, ready_at, minutes_to_start, minutes_to_complete, minutes_to_ready,
		reassignments, escalations, staff_key, inspection_result, business_date, last_event_at, batch_id, now()
	from diff
	where tenant_id is not null
	on conflict (tenant_id, task_id) do update set
		(property_id, room_id, reservation_id, kind, priority, status, source, created_at, assigned_at, started_at,
		 completed_at, inspected_at, ready_at, minutes_to_start, minutes_to_complete, minutes_to_ready, reassignments,
		 escalations, staff_key, inspection_result, business_date, last_event_at, _batch_id, _updated_at) =
		(excluded.property_id, excluded.room_id, excluded.reservation_id, excluded.kind, excluded.priority,
		 excluded.status, excluded.source, excluded.created_at, excluded.assigned_at, excluded.started_at,
		 excluded.completed_at, excluded.inspected_at, excluded.ready_at, excluded.minutes_to_start,
		 excluded.minutes_to_complete, excluded.minutes_to_ready, excluded.reassignments, excluded.escalations,
		 excluded.staff_key, excluded.inspection_result, excluded.business_date, excluded.last_event_at,
		 excluded._batch_id, excluded._updated_at)
), cut as (
	delete from analytics_live.fact_housekeeping_task where row_at = any (array(
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
	select tenant_id, 'fact_housekeeping_task', day from cell
), impact as (
	select tenant_id, sum(put)::bigint as upserted, sum(cut)::bigint as deleted, min(day) as day_from, max(day) as day_to
	from cell
	group by tenant_id
)
select 'fact_housekeeping_task' as table_name, coalesce(sum(upserted), 0)::bigint as upserted,
	coalesce(sum(deleted), 0)::bigint as deleted, array_agg(tenant_id) as tenants, array_agg(upserted) as tenant_upserted,
	array_agg(deleted) as tenant_deleted, array_agg(day_from) as day_from, array_agg(day_to) as day_to
from impact
