-- How many rows a tenant has, by table and 30 days; see analytics_run.extents_of().
-- $1 tenant_id text
-- rows: one or two per table and 30 days (table_name; first_day and last_day: days since 1970; rows)
select e.table_name,
       e.first_day - date '1970-01-01' as first_day,
       e.last_day - date '1970-01-01' as last_day,
       e.rows
  from analytics_run.extents_of($1::text) e;
