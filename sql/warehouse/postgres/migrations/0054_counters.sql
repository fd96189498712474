-- What counts the transactions of all tenants tells a login how busy the others are. txid_current() was closed;
-- the same number was in a snapshot, in an age, in the control file, and at the border of what a status is known of.
do $$
declare
	f regprocedure;
begin
	if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
		raise warning 'counters stay readable: who is no superuser cannot revoke them from PUBLIC';
		return;
	end if;
	for f in
		select oid from pg_catalog.pg_proc
		where pronamespace = 'pg_catalog'::regnamespace and has_function_privilege('public', oid, 'execute')
			and (proname in ('pg_current_snapshot', 'txid_current_snapshot', 'pg_current_xact_id_if_assigned',
				'txid_current_if_assigned', 'pg_xact_status', 'txid_status', 'mxid_age', 'pg_get_multixact_members',
				'pg_last_committed_xact', 'pg_last_wal_receive_lsn', 'pg_last_wal_replay_lsn',
				'pg_last_xact_replay_timestamp', 'pg_isolation_test_session_is_blocked')
			or proname ~ '^pg_(control|xact_commit_timestamp)'
			or oid = 'pg_catalog.age(xid)'::regprocedure)
	loop
		execute format('revoke execute on function %s from public', f);
		execute format('grant execute on function %s to pg_monitor, analytics_owner, analytics_etld', f);
	end loop;
	-- where the control database is the same: what a copy on a desktop has seen
	grant execute on function pg_catalog.pg_current_snapshot() to analytics_queryd;
end
$$;
