-- How many rows the tenant has, by table and month; see tenant_views.extents().
-- rows: one per table and month (table_name, month: since January 1970, rows), each table's together, by month
select e.table_name, e.month, pg_catalog.sum(e.rows)::bigint as rows
  from tenant_views.extents() e
 group by e.table_name, e.month
 order by e.table_name collate "C", e.month;
