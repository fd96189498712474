-- rows: every projection in use (key, version, consumer, table_name, subjects and depends_on as JSON
--       arrays, freshness_slo_seconds, status)
select p.key, p.version, p.consumer, p.table_name, pg_catalog.to_json(p.subjects)::text as subjects,
       pg_catalog.to_json(p.depends_on)::text as depends_on, p.freshness_slo_seconds, p.status
  from analytics.projections p
 where p.status <> 'retired'
 order by p.key, p.version;
