-- How much a tenant has, by table and month: what queryd estimates the cost of a query from. The planner's
-- estimates are made of the statistics of all tenants together; these are counts of the tenant's own rows.

set local role analytics_owner;

-- Of the calling tenant, for who may see all of its properties: the rows of each 30 days, and the first and
-- last day that has any (of a table without days all are on 1970-01-01). From the profiles; days that are
-- marked dirty are counted, of a table at most 200,000 rows: that many are past what a query may read.
create function tenant_views.extents()
returns table (table_name text, first_day date, last_day date, rows bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set plan_cache_mode = force_custom_plan as $$
declare
	tenant constant text := left(session_user::text, 30);
	dirty record;
begin
	if tenant_views.scope() <> '{*}' then
		return;
	end if;
	-- a list of what is dirty, and not a look for each cell: there is none most of the time
	return query
		select p.table_name, min(p.day), max(p.day), sum(p.rows)::bigint
		from analytics_run.profile p
		where p.tenant_id = tenant collate "C" and p.rows > 0 and (p.table_name, p.day) not in (
			select d.table_name, d.day from analytics_run.profile_dirty d where d.tenant_id = tenant collate "C")
		group by p.table_name, (p.day - date '1970-01-01') / 30;
	for dirty in
		select v.table_name, v.day_column from analytics_run.version v
		where exists (
			select from analytics_run.profile_dirty d
			where d.tenant_id = tenant collate "C" and d.table_name = v.table_name)
	loop
		return query execute format('
			select $2, min(f.day), max(f.day), count(*) from (
				select %s as day from analytics_curated.%I t
				where t.tenant_id = $1 collate "C" %s
				limit 200000) f
			group by (f.day - date ''1970-01-01'') / 30',
			coalesce('t.' || quote_ident(dirty.day_column), 'date ''1970-01-01'''), dirty.table_name,
			'and t.' || quote_ident(dirty.day_column) || ' in (
				select d.day from analytics_run.profile_dirty d
				where d.tenant_id = $1 collate "C" and d.table_name = $2)')
			using tenant, dirty.table_name;
	end loop;
end
$$;
revoke execute on function tenant_views.extents() from public;
grant execute on function tenant_views.extents() to analytics_tenants;

-- As before, and for a third of the time, which every computed answer takes twice: plpgsql keeps the plan,
-- and the indexes are looked up from the tables instead of the tables from all indexes there are.
create or replace function tenant_views.blocks_read() returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
	return (
		select coalesce(sum(pg_stat_get_xact_tuples_returned(i.indexrelid)
			/ case i.indrelid when 'analytics_curated.dim_calendar_v1'::regclass then 64 else 1 end), 0)::bigint
		from (
			select to_regclass(format('analytics_curated.%I', v.table_name || '_v' || v.live)) as oid
			from analytics_run.version v
			union all
			select 'analytics_curated.dim_calendar_v1'::regclass) r
		join pg_index i on i.indrelid = r.oid);
end
$$;

reset role;
