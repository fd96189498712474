-- Remembers that a scope is pulled, so that snapshots are made for it. Written once a minute at most.
-- $1 scope_id text
-- $2 scope text
-- $3 properties text[]   null = all of the tenant
insert into analytics.sync_scopes as s (tenant_id, scope_id, scope, properties)
select pg_catalog.current_setting('analytics.tenant_id'), $1::text, $2::text, $3::text[]
 where not exists (
           select
             from analytics.sync_scopes o
            where o.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
              and o.scope_id = $1::text
              and o.pulled_at > pg_catalog.now() - interval '1 minute')
    on conflict (tenant_id, scope_id) do update
   set pulled_at = excluded.pulled_at;
