-- How many shapes of the events that feed a table have drifted: of the platform, when it is asked for.
-- $1 tenants text[]
-- rows: (table_name, column_name null, tenant_id '_platform', observed bigint, expected null), one per curated table
select v.table_name, null::text as column_name, '_platform' as tenant_id, count(d.subject) as observed, null::numeric as expected
  from analytics_run.version v
  left join analytics_run.shape_drift d
    on analytics_run.consumer_of(pg_catalog.split_part(d.subject, '.', 2)) = v.consumer
 where '_platform' = any ($1::text[])
 group by v.table_name;
