-- rows: one per applied migration (version int, name text, sha256 text), ascending
select m.version, m.name, m.sha256
  from analytics_run.schema_migrations m
 order by m.version;
