-- Who may read stays as access_bindings says without anybody who asks: queryd looks every few minutes. And of a
-- reporting login, whose sessions may set statement_timeout to nothing, no statement goes on for ever.

-- When a statement of another role began says only who is a member of it, or of this one.
do $$
begin
	grant pg_read_all_stats to analytics_provisioner;
exception
	when insufficient_privilege then
		raise warning 'long statements of reporting logins are not ended: grant pg_read_all_stats to analytics_provisioner';
end
$$;

-- The first listed login after this one that does not exist. Whoever knows the passwords makes it again.
create function analytics.missing_login(after text) returns table (role text, tenant_id text, kind text, enabled boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select b.role, b.tenant_id, b.kind, b.enabled
	from tenant_views.access_bindings b
	where b.kind in ('service', 'looker') and b.role > after collate "C" and to_regrole(quote_ident(b.role)) is null
	order by b.role
	limit 1
$$;

-- reconcile_access, for processes that all do so by themselves: one at a time, so that the next finds nothing.
create function analytics.keep_access() returns table (role text, problem text, repaired boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	perform pg_advisory_xact_lock(hashtextextended('access_bindings', 0));
	return query select r.role, r.problem, r.repaired from analytics.reconcile_access(true) r;
end
$$;

-- Of each reporting login: how many of its sessions were ended because a statement, or a rest inside a
-- transaction, lasted longer than this, or a transaction ten times as long; a role without such a session has no
-- row. To signal a session one must be a member of its role: for as long as this takes.
create function analytics.end_long_reports(longest interval) returns table (role text, ended integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	late record;
begin
	for late in
		select b.role as name, b.tenant_id as lock, array_agg(a.pid) as pids
		from pg_stat_activity a
		join tenant_views.access_bindings b on b.role = a.usename and b.kind = 'looker'
		where a.state = 'active' and clock_timestamp() - a.query_start > longest
			or a.state like 'idle in transaction%' and clock_timestamp() - a.state_change > longest
			or clock_timestamp() - a.xact_start > 10 * longest
		group by b.role
		order by b.role
	loop
		perform pg_advisory_xact_lock(hashtextextended(late.lock, 0));
		execute format('grant %I to analytics_provisioner', late.name);
		select late.name, count(*) filter (where pg_terminate_backend(a.pid, 5000)) into role, ended
		from pg_stat_activity a
		where a.pid = any (late.pids) and a.usename = late.name;
		execute format('revoke %I from analytics_provisioner', late.name);
		return next;
	end loop;
end
$$;
grant create on schema analytics to analytics_provisioner;
alter function analytics.missing_login(text) owner to analytics_provisioner;
alter function analytics.keep_access() owner to analytics_provisioner;
alter function analytics.end_long_reports(interval) owner to analytics_provisioner;
revoke create on schema analytics from analytics_provisioner;
revoke execute on function analytics.missing_login(text), analytics.keep_access(), analytics.end_long_reports(interval) from public;
grant execute on function analytics.missing_login(text), analytics.keep_access(), analytics.end_long_reports(interval)
	to analytics_queryd;
