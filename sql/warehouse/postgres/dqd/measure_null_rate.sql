-- The share of nulls of every watched column, from the profiles. A table with dirty cells is left
-- out: it is measured when they are clean.
-- $1 tenants text[]
-- rows: (table_name, column_name, tenant_id, observed numeric, expected null), one per column
select p.table_name, c.column_name, p.tenant_id,
       pg_catalog.round(sum(c.nulls::bigint)::numeric / nullif(sum(p.rows), 0), 9) as observed,
       null::numeric as expected
  from analytics_run.profile p,
       lateral pg_catalog.jsonb_each_text(p.nulls) as c (column_name, nulls)
 where p.tenant_id = any ($1::text[])
   and not exists (
       select from analytics_run.profile_dirty m
        where m.tenant_id = p.tenant_id and m.table_name = p.table_name)
 group by p.table_name, c.column_name, p.tenant_id
having sum(p.rows) > 0;
