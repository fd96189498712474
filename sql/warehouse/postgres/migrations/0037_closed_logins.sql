-- A login that was made NOLOGIN keeps the sessions that it has, which go on reading. They are ended in a
-- transaction after the one that closed it, lest somebody logs in between.

-- Of every listed role that cannot log in: how many of its sessions were ended; none that has no session. To
-- signal a session one must be a member of its role: for as long as this takes.
create function analytics.end_closed_sessions() returns table (role text, ended integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	closed record;
begin
	for closed in
		select b.role as name, coalesce(b.tenant_id, b.role) as lock
		from tenant_views.access_bindings b
		join pg_roles r on r.rolname = b.role and not r.rolcanlogin
		where exists (select from pg_stat_activity a where a.usesysid = r.oid)
		order by 1
	loop
		perform pg_advisory_xact_lock(hashtextextended(closed.lock, 0));
		execute format('grant %I to analytics_provisioner', closed.name);
		select closed.name, count(*) filter (where pg_terminate_backend(a.pid, 5000)) into role, ended
		from pg_stat_activity a
		where a.usename = closed.name;
		execute format('revoke %I from analytics_provisioner', closed.name);
		return next;
	end loop;
end
$$;
grant create on schema analytics to analytics_provisioner;
alter function analytics.end_closed_sessions() owner to analytics_provisioner;
revoke create on schema analytics from analytics_provisioner;
revoke execute on function analytics.end_closed_sessions() from public;
grant execute on function analytics.end_closed_sessions() to analytics_queryd;
