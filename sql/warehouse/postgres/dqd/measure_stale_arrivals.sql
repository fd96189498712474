-- Reservations that should have arrived and of whom nothing was heard: confirmed, and the day after the
-- arrival is over everywhere. Those of the last 90 days; what is older no desk will mend.
-- $1 tenants text[]
-- rows: (table_name, column_name null, tenant_id, observed numeric, expected null), one per tenant
select 'fact_reservation' as table_name, null::text as column_name, t.tenant_id,
       (select count(*)
          from analytics_curated.fact_reservation f
         where f.tenant_id = t.tenant_id
           and f.arrival_date between (pg_catalog.now() at time zone 'UTC')::date - 90
                                  and (pg_catalog.now() at time zone 'UTC')::date - 2
           and f.status = 'confirmed')::numeric as observed,
       null::numeric as expected
  from pg_catalog.unnest($1::text[]) as t (tenant_id)
 where t.tenant_id <> '_platform';
