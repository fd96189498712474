-- queryd switches a tenant's reporting login on and off (its one-shot, by an operator).
set local role analytics_owner;

grant insert (tenant_id, looker_enabled), update (looker_enabled, updated_at) on analytics.tenants to analytics_queryd;

reset role;
