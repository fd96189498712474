-- Latest result of each check of the tenant that set_tenant named. A check of its own takes the place of
-- the platform's.
-- $1 table_name text   null = all
-- $2 state text        null = all
-- $3 after text        check_id to go on after; null = from the start
-- $4 limit integer
-- rows: in order of check_id (check_id, table_name, kind, column_name, severity, state, observed,
--       expected, since, evaluated_at, data_version, muted)
select c.check_id, c.table_name, c.kind, c.column_name, c.severity, r.state, r.observed, r.expected,
       pg_catalog.to_char(r.since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as since,
       pg_catalog.to_char(r.evaluated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as evaluated_at,
       r.data_version,
       coalesce(c.muted_until > pg_catalog.now(), false) as muted
  from analytics.dq_results r
  join analytics.dq_checks c
    on c.check_id = r.check_id
 where r.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and ($1::text is null or c.table_name = $1::text)
   and not (c.tenant_id is null and exists (
            select
              from analytics.dq_checks o
             where o.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
               and (o.table_name, o.kind) = (c.table_name, c.kind)
               and o.column_name is not distinct from c.column_name))
   and ($2::text is null or r.state = $2::text)
   and ($3::text is null or r.check_id > $3::text)
 order by r.check_id
 limit $4::integer;
