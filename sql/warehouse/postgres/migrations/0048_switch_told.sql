-- A switch of versions changes rows like a refresh does, and is told like one.
set local role analytics_owner;

-- Makes the version beside the live one the live one, and the other way round, for all tables of a
-- consumer: the tenants whose rows differ get new data versions, profiles and projection.refreshed.v1, and
-- what others make of those rows is made again. It waits half a second for whoever holds a table or a shard
-- and then gives up (lock_not_available), because everybody else would wait behind it: try again.
create or replace function analytics_run.switch_version(consumer text, from_state text, dependents text[])
returns table (tenant_id text, table_name text, data_version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
#variable_conflict use_column
declare
	name alias for $1;
	b analytics_run.build;
begin
	perform analytics_run.lock_consumer(name);
	select * into b from analytics_run.build where build.consumer = name for update;
	if b.state is distinct from from_state then
		raise exception 'there is no version of % to switch to that is %', name, from_state using errcode = 'object_not_in_prerequisite_state';
	end if;
	update analytics_run.version set live = beside, beside = live where consumer = name and beside is not null;
	perform analytics_run.show_live(v.table_name), analytics_run.show_beside(v.table_name)
	from analytics_run.version v
	where v.consumer = name;
	update analytics_run.build set state = 'kept', switched_at = clock_timestamp() where consumer = name;
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select d.tenant_id, d.table_name, day
	from analytics_run.build_difference d
	cross join unnest(d.days) day
	where d.consumer = name;
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select dependent, t.tenant_id, 'all', ''
	from (
		select distinct d.tenant_id
		from analytics_run.build_difference d
		where d.consumer = name and d.gone + d.came > 0) t
	cross join unnest(dependents) dependent;
	-- As etld/outbox_refreshed.sql does it. A version is newer than the other when its number is higher: back
	-- to the older one, what came goes. Rows without a day stand among the days as 1970-01-01. What has landed
	-- up to the watermark is applied, in both versions.
	insert into analytics_run.refresh_due as r
		(tenant_id, projection, due_at, run_id, day_from, day_to, rows_upserted, rows_deleted, watermark, refreshed_at, job_run)
	select d.tenant_id, d.table_name, now() + interval '10 s', 'run_' || analytics_run.ulid(), days.first, days.last,
		case when v.live > v.beside then d.came else d.gone end,
		case when v.live > v.beside then d.gone else d.came end - d.changed,
		coalesce((
			select min(p.landed_at)
			from analytics_run.delta p
			where p.consumer = name and p.shard = analytics_run.shard_of(d.tenant_id) and p.tenant_id = d.tenant_id), now()),
		now(), (select j.job_id || '.' || j.attempt from analytics_run.job j where from_state = 'built' and j.job_id = b.job_id)
	from analytics_run.build_difference d
	join analytics_run.version v on v.table_name = d.table_name
	cross join lateral (
		select min(day) as first, max(day) as last from unnest(d.days) day where day <> '1970-01-01') days
	where d.consumer = name and d.gone + d.came > 0
	order by d.tenant_id, d.table_name
	on conflict (tenant_id, projection) do update set
		day_from = least(r.day_from, excluded.day_from), day_to = greatest(r.day_to, excluded.day_to),
		rows_upserted = r.rows_upserted + excluded.rows_upserted, rows_deleted = r.rows_deleted + excluded.rows_deleted,
		watermark = greatest(r.watermark, excluded.watermark), refreshed_at = excluded.refreshed_at,
		job_run = case when r.job_run = excluded.job_run then r.job_run end;
	return query
	update analytics_run.table_state s set data_version = s.data_version + 1, refreshed_at = now()
	from analytics_run.build_difference d
	where d.consumer = name and d.gone + d.came > 0 and s.tenant_id = d.tenant_id and s.table_name = d.table_name
	returning s.tenant_id, s.table_name, s.data_version;
end
$$;

reset role;
