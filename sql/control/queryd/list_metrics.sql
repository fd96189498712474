-- rows: every published definition of the platform's (key, version, display json, unit_kind,
--       definition json, definition_hash, archived boolean, archived_at text), ascending by key and
--       version
select m.key, m.version, m.display::text, m.unit_kind, m.definition::text, m.definition_hash,
       m.archived_at is not null and m.archived_at <= pg_catalog.now() as archived,
       pg_catalog.to_char(m.archived_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as archived_at
  from analytics.metric_definitions m
 where m.tenant_id is null
 order by m.key collate "C", m.version;
