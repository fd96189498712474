-- Versions of dashboards that changed lately, to repair those in Redis.
-- $1 seconds integer   how far to look back
-- rows: one per (tenant_id, version)
select v.tenant_id, v.version
  from analytics.list_dashboard_versions($1::integer) v;
