-- dqd counts a table alone (dqd/lock_counting.sql): two that counted cells of the same table wrote them in
-- different orders, which can end in a deadlock, and an older count could replace a newer one.
grant execute on function pg_catalog.pg_advisory_xact_lock(integer, integer) to analytics_dqd;
