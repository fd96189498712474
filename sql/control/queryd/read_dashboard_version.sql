-- The version of what the tenant's dashboards show, and whether the caller sees one of them. Whoever keeps
-- what he reads under this version reads it afterwards; whoever changes them asks for it after his commit, since
-- of two that commit at the same time neither sees the other's.
-- $1 dashboard_id text    null: none is asked about
-- rows: 1 (version, 0 before the first change; visible)
select (select coalesce(sum(v.changes), 0)::bigint
          from analytics.dashboard_versions v
         where v.tenant_id = pg_catalog.current_setting('analytics.tenant_id')) as version,
       exists (select from analytics.visible_dashboards d where d.dashboard_id = $1::text) as visible;
