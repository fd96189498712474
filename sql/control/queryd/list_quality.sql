-- The state of quality by table, of the tenant that set_tenant named. A check of its own takes the place
-- of the platform's. What is only told (severity info) says nothing against the figures.
-- rows: one per table with a failing check (table_name, failed boolean: a blocking check is among them)
select c.table_name, bool_or(c.blocking) as failed
  from analytics.dq_results r
  join analytics.dq_checks c
    on c.check_id = r.check_id
 where r.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and r.state = 'fail'
   and c.severity <> 'info'
   and not (c.tenant_id is null and exists (
            select
              from analytics.dq_checks o
             where o.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
               and (o.table_name, o.kind) = (c.table_name, c.kind)
               and o.column_name is not distinct from c.column_name))
   and c.enabled
   and (c.muted_until is null or c.muted_until <= pg_catalog.now())
 group by c.table_name
 order by c.table_name;
