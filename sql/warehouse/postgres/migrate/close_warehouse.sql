-- After the last migration: every daemon may ask which version the database has.
grant usage on schema analytics_run to analytics_ingestd, analytics_etld, analytics_queryd, analytics_dqd;
grant select on analytics_run.schema_migrations to analytics_ingestd, analytics_etld, analytics_queryd, analytics_dqd;
