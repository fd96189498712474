-- $1 check_id text
-- $2 document text       as the API takes it
-- $3 revision integer    that is replaced; null: any
-- rows: 1 (refusal: 'missing', 'stale', 'unknown', 'double' or null)
with found as (
    select c.check_id, c.revision
      from analytics.dq_checks c
     where c.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and c.check_id = $1::text
       for update),
new as (
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
     where c.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and c.check_id <> $1::text),
changed as (
    update analytics.dq_checks c
       set table_name = n.table_name, kind = n.kind, column_name = n.column_name,
           params = pg_catalog.jsonb_build_object('limit', n."limit"), severity = n.severity, enabled = n.enabled,
           muted_until = n.muted_until, revision = c.revision + 1, updated_at = pg_catalog.now()
      from found f, new n
     where c.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and c.check_id = f.check_id
       and f.revision = coalesce($3::integer, f.revision)
       and exists (select from known)
       and not exists (select from double)
    returning c.check_id)
select case
           when not exists (select from found) then 'missing'
           when (select f.revision from found f) <> $3::integer then 'stale'
           when not exists (select from known) then 'unknown'
           when exists (select from double) then 'double'
       end as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select c.check_id from changed c), ''), true) as effect;
