-- Remembers which states the outbox has been given.
-- $1 check_ids text[]  parallel arrays
-- $2 tenants text[]
-- $3 states text[]     pass, fail
update analytics.dq_results r
   set told = t.state
  from unnest($1::text[], $2::text[], $3::text[]) as t (check_id, tenant_id, state)
 where r.check_id = t.check_id
   and r.tenant_id = t.tenant_id;
