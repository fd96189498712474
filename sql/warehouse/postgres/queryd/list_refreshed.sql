-- Versions of what was refreshed lately, to repair those in Redis.
-- $1 seconds integer   how far to look back
-- rows: one per (tenant_id, table_name, data_version)
select s.tenant_id, s.table_name, s.data_version
  from analytics_run.table_state s
 where s.refreshed_at >= pg_catalog.now() - pg_catalog.make_interval(secs => $1::integer);
