-- Publishes a definition of the platform's, for every tenant; the same one again changes nothing.
-- $1 metric_key text
-- $2 version integer
-- $3 display text        json
-- $4 unit_kind text
-- $5 definition text     json
-- $6 definition_hash text
-- rows: 1 (published boolean: it was not there before; same boolean: what is there is this)
with made as (
    insert into analytics.metric_definitions (key, version, display, unit_kind, definition, definition_hash)
    values ($1::text, $2::integer, $3::jsonb, $4::text, $5::jsonb, $6::text)
    on conflict (tenant_id, key, version) do nothing
    returning definition_hash)
select exists (select from made) as published,
       exists (select from made)
       or exists (
           select from analytics.metric_definitions m
            where m.tenant_id is null and m.key = $1::text and m.version = $2::integer
              and m.definition_hash = $6::text) as same;
