-- Roles that are not as tenant_views.access_bindings says.
-- $1 repair boolean  make them so, where that is possible
-- rows: one for each difference (role text, problem text, repaired boolean)
select r.role, r.problem, r.repaired from analytics.reconcile_access($1::boolean) r;
