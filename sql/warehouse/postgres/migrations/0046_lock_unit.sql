-- etld keeps the shards that a unit has in a setting of its transaction (etld/lock_unit.sql).
grant execute on function pg_catalog.set_config(text, text, boolean) to analytics_etld;
