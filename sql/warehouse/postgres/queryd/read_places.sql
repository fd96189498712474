-- The tenant and its properties, as far as answers depend on them. Offsets are those of now: the
-- local date of a place is floor((now + offset) / 1 day).
-- rows: the tenant (property_id null; none when it is not known), then each property in byte order
--       (property_id, status, utc_offset_s, weekend_days
--       integer[]: ISO weekdays, of the tenant only)
select null::text collate "C" as property_id, t.status,
       extract(epoch from (pg_catalog.now() at time zone coalesce(t.timezone, 'UTC'))
                          - (pg_catalog.now() at time zone 'UTC'))::integer as utc_offset_s,
       t.weekend_days
  from tenant_views.dim_tenant t
union all
select p.property_id, p.status,
       extract(epoch from (pg_catalog.now() at time zone coalesce(p.timezone, t.timezone, 'UTC'))
                          - (pg_catalog.now() at time zone 'UTC'))::integer,
       null::integer[]
  from tenant_views.dim_property p
  left join tenant_views.dim_tenant t on true
 order by 1 nulls first;
