-- How old the tenant's oldest event is that has landed and is not applied, in the snapshot of the
-- statements beside it.
-- rows: 1 (now, oldest landing time; microseconds since 1970, oldest null when nothing is pending)
select (extract(epoch from pg_catalog.now()) * 1000000)::bigint as now_us,
       (extract(epoch from min(p.oldest_landed_at)) * 1000000)::bigint as oldest_us
  from tenant_views.pending p;
