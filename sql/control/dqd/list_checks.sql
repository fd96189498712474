-- rows: every enabled check (check_id, tenant_id or null, table_name, kind, column_name or null,
--       severity, limit text or null)
select c.check_id, c.tenant_id, c.table_name, c.kind, c.column_name, c.severity,
       c.params ->> 'limit' as "limit"
  from analytics.dq_checks c
 where c.enabled
   and (c.muted_until is null or c.muted_until < pg_catalog.now());
