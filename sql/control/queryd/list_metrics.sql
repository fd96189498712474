-- rows: every published definition (key, version, display json, unit_kind, definition json,
--       definition_hash, archived boolean), ascending by key and version
select m.key, m.version, m.display::text, m.unit_kind, m.definition::text, m.definition_hash,
       m.archived_at is not null and m.archived_at <= pg_catalog.now() as archived
  from analytics.metric_definitions m
 where m.tenant_id is null
 order by m.key, m.version;
