-- Retires a definition of the tenant that set_tenant named, from a date on; it still answers to its
-- version.
-- $1 metric_key text
-- $2 version integer
-- $3 archived_at timestamptz   null = now
-- rows: 1 (archived_at text), none when there is no such definition of the tenant's own
update analytics.metric_definitions m
   set archived_at = coalesce($3::timestamptz, pg_catalog.now())
 where m.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and m.key = $1::text
   and m.version = $2::integer
returning pg_catalog.to_char(m.archived_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as archived_at;
