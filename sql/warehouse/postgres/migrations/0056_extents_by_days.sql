-- As before; the days that are marked dirty, of which there are many, are values, each once: a table of marks may be
-- what the plan begins with.

set local role analytics_owner;

create or replace function analytics_run.extents_of(tenant text)
returns table (table_name text, first_day date, last_day date, rows bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set plan_cache_mode = force_custom_plan set lock_timeout = '100ms' as $$
declare
	dirty record;
begin
	if not exists (select from analytics_run.profile_dirty d where d.tenant_id = tenant collate "C") then
		return query
			select p.table_name, min(p.day), max(p.day), sum(p.rows)::bigint
			from analytics_run.profile p
			where p.tenant_id = tenant collate "C" and p.rows > 0
			group by p.table_name, (p.day - date '1970-01-01') / 30;
		return;
	end if;
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
		begin
			return query execute format('
				select $2, min(f.day), max(f.day), count(*) from (
					select %s as day from analytics_curated.%I t
					where t.tenant_id = $1 collate "C" and %s = any ($3)
					limit 200000) f
				group by (f.day - date ''1970-01-01'') / 30',
				coalesce('t.' || quote_ident(dirty.day_column), 'date ''1970-01-01'''), dirty.table_name,
				coalesce('t.' || quote_ident(dirty.day_column), 'date ''1970-01-01'''))
				using tenant, dirty.table_name, array(
					select distinct d.day from analytics_run.profile_dirty d
					where d.tenant_id = tenant collate "C" and d.table_name = dirty.table_name);
		exception when lock_not_available then
			return query
				select p.table_name, min(p.day), max(p.day), sum(p.rows)::bigint
				from analytics_run.profile p
				where p.tenant_id = tenant collate "C" and p.table_name = dirty.table_name and p.rows > 0 and p.day in (
					select d.day from analytics_run.profile_dirty d
					where d.tenant_id = tenant collate "C" and d.table_name = dirty.table_name)
				group by p.table_name, (p.day - date '1970-01-01') / 30;
		end;
	end loop;
end
$$;

reset role;
