-- Records whether a tenant's reporting tool may log in.
-- $1 tenant_id text
-- $2 enabled boolean
insert into analytics.tenants (tenant_id, looker_enabled)
values ($1::text, $2::boolean)
on conflict (tenant_id) do update
   set looker_enabled = excluded.looker_enabled,
       updated_at = now()
 where tenants.looker_enabled is distinct from excluded.looker_enabled;
