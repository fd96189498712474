-- What has landed and is not applied, of all tenants.
-- rows: one per tenant that waits, in byte order (tenant_id, oldest landing time in microseconds
--       since 1970); the last row has tenant_id null and the time of the snapshot
select d.tenant_id, (extract(epoch from min(d.landed_at)) * 1000000)::bigint as oldest_us
  from analytics_run.delta d
 where d.consumer <> 'none'
 group by d.tenant_id
union all
select null::text collate "C", (extract(epoch from pg_catalog.now()) * 1000000)::bigint
 order by 1 nulls last;
