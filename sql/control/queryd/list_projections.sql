-- rows: every projection, in its live version (key, version, consumer, table_name, subjects and depends_on
--       as JSON arrays, freshness_slo_seconds, status)
select p.key, p.version, p.consumer, p.table_name, pg_catalog.to_json(p.subjects)::text as subjects,
       pg_catalog.to_json(p.depends_on)::text as depends_on, p.freshness_slo_seconds, p.status
  from analytics.projections p
 where p.status = 'active'
 order by p.key, p.version;
