-- Sources of metrics group few of many rows. The planner, which knows nothing of a tenant's words, finds sorting
-- as cheap as hashing and takes it, at twice the time. Until the transaction ends there is no sorting where there
-- is another way; SET LOCAL would warn in every pipeline.

set local role analytics_owner;

create function tenant_views.group_by_hash() returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	was text;
begin
	was := set_config('enable_sort', 'off', true);
end
$$;
revoke execute on function tenant_views.group_by_hash() from public;
grant execute on function tenant_views.group_by_hash() to analytics_tenants;

reset role;
