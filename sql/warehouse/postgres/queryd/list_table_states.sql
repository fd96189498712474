-- What was applied to each of the tenant's tables.
-- rows: one per table (table_name, watermark text, refreshed_at text, rows_upserted, rows_deleted)
select s.table_name,
       pg_catalog.to_char(s.watermark at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as watermark,
       pg_catalog.to_char(s.refreshed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as refreshed_at,
       s.rows_upserted, s.rows_deleted
  from tenant_views.table_state s
 order by s.table_name;
