-- Makes roles what tenant_views.access_bindings says, where that is possible; waits for who is at it.
-- rows: one for each difference (role text, problem text, repaired boolean)
-- locks: advisory (hash of the table's name)
select k.role, k.problem, k.repaired from analytics.keep_access() k;
