-- rows: exactly one (version int): the newest applied migration, 0 before the first
select coalesce(max(m.version), 0) as version
  from analytics_run.schema_migrations m;
