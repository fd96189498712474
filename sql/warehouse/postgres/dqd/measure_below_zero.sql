-- The rows whose value is below zero, of every column that cannot be, from the profiles. A table with
-- dirty cells is left out.
-- $1 tenants text[]
-- rows: (table_name, column_name, tenant_id, observed numeric, expected null), one per column
select p.table_name, c.column_name, p.tenant_id, sum(c.rows::bigint)::numeric as observed,
       null::numeric as expected
  from analytics_run.profile p,
       lateral pg_catalog.jsonb_each_text(p.stats -> 'below_zero') as c (column_name, rows)
 where p.tenant_id = any ($1::text[])
   and not exists (
       select from analytics_run.profile_dirty m
        where m.tenant_id = p.tenant_id and m.table_name = p.table_name)
 group by p.table_name, c.column_name, p.tenant_id;
