-- The share of the forecast points that were set aside, of all that were told.
-- $1 tenants text[]
-- rows: (table_name, column_name null, tenant_id, observed numeric, expected null), one per tenant with
--       forecasts
select 'fact_demand_forecast' as table_name, null::text as column_name, e.tenant_id,
       pg_catalog.round((
           select count(*)
             from analytics_curated.forecast_quarantine q
            where q.tenant_id = e.tenant_id)::numeric
           / nullif(sum(pg_catalog.cardinality(e.stay_date)), 0), 9) as observed,
       null::numeric as expected
  from analytics_curated.event_forecast e
 where e.tenant_id = any ($1::text[])
 group by e.tenant_id
having sum(pg_catalog.cardinality(e.stay_date)) > 0;
