-- Makes today's budget (UTC) of the tenant that set_tenant named, and locks it; a deleted tenant gets none.
-- $1 cap bigint     of a tenant without one of its own
with own as (
    select b.cap_bytes
      from analytics.budgets b
     where b.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and b.own_cap
     order by b.day desc
     limit 1)
insert into analytics.budgets as b (tenant_id, day, cap_bytes, own_cap)
select pg_catalog.current_setting('analytics.tenant_id'), (pg_catalog.now() at time zone 'UTC')::date,
       coalesce((select o.cap_bytes from own o), $1::bigint), exists (select from own)
 where not exists (
     select
       from analytics.tenants t
      where t.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
        and t.status = 'deleted')
    on conflict (tenant_id, day) do update set cap_bytes = excluded.cap_bytes;
