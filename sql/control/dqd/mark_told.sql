-- Remembers which states the outbox has been given; not of a change before the one that was told last.
-- $1 check_ids text[]   parallel arrays
-- $2 tenants text[]
-- $3 states text[]      pass, fail
-- $4 changes bigint[]   of store_results
update analytics.dq_results r
   set told = t.state, told_changes = t.changes
  from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as t (check_id, tenant_id, state, changes)
 where r.check_id = t.check_id
   and r.tenant_id = t.tenant_id
   and r.told_changes <= t.changes;
