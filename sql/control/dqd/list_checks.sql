-- rows: every check (check_id, tenant_id or null, table_name, kind, column_name or null, severity, limit
--       text or null, silent: switched off or muted, as_of: the moment that measuring begins)
select c.check_id, c.tenant_id, c.table_name, c.kind, c.column_name, c.severity,
       c.params ->> 'limit' as "limit",
       not c.enabled or coalesce(c.muted_until > pg_catalog.now(), false) as silent,
       pg_catalog.to_char(pg_catalog.now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as as_of
  from analytics.dq_checks c;
