-- A check of the tenant's own, in place of the platform's of the same table, kind and column. What is only checked
-- for the platform as a whole is none that a tenant may have.
-- $1 check_id text
-- $2 document text     as the API takes it
-- rows: 1 (refusal: 'unknown', 'double' or null)
with new as (
    select n."table" as table_name, n.kind, n."column" as column_name, n."limit", n.severity,
           coalesce(n.enabled, true) as enabled, n."mutedUntil" as muted_until
      from pg_catalog.jsonb_to_record($2::jsonb) as n
           ("table" text, kind text, "column" text, "limit" jsonb, severity text, enabled boolean,
            "mutedUntil" timestamptz)),
known as (
    select c.check_id
      from analytics.dq_checks c
      join new n
        on (c.table_name, c.kind) = (n.table_name, n.kind)
       and c.column_name is not distinct from n.column_name
     where c.tenant_id is null
       and c.kind <> 'schema_drift'),
double as (
    select c.check_id
      from analytics.dq_checks c
      join new n
        on (c.table_name, c.kind) = (n.table_name, n.kind)
       and c.column_name is not distinct from n.column_name
     where c.tenant_id = pg_catalog.current_setting('analytics.tenant_id')),
made as (
    insert into analytics.dq_checks
           (check_id, tenant_id, table_name, kind, column_name, params, severity, enabled, muted_until)
    select $1::text, pg_catalog.current_setting('analytics.tenant_id'), n.table_name, n.kind, n.column_name,
           pg_catalog.jsonb_build_object('limit', n."limit"), n.severity, n.enabled, n.muted_until
      from new n
     where pg_catalog.current_setting('analytics.claim') = 'mine'
       and exists (select from known)
       and not exists (select from double)
        on conflict (tenant_id, table_name, kind, column_name) do nothing
    returning check_id)
select case
           when not exists (select from known) then 'unknown'
           when not exists (select from made) then 'double'
       end as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select m.check_id from made m), ''), true) as effect;
