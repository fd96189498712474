-- Today's budget (UTC) of the tenant that set_tenant named.
-- $1 cap bigint     of a tenant without one of its own
-- rows: 1 (used bigint, cap bigint, resets_at text)
with today as (
    select (pg_catalog.now() at time zone 'UTC')::date as day),
own as (
    select b.cap_bytes
      from analytics.budgets b
     where b.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and b.own_cap
     order by b.day desc
     limit 1)
select coalesce(b.used_bytes, 0) as used,
       coalesce((select o.cap_bytes from own o), $1::bigint) as cap,
       pg_catalog.to_char(t.day + 1, 'YYYY-MM-DD"T00:00:00Z"') as resets_at
  from today t
  left join analytics.budgets b
    on b.day = t.day
   and b.tenant_id = pg_catalog.current_setting('analytics.tenant_id');
