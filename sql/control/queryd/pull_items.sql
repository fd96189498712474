-- What changed after one snapshot and up to another, of what a scope may see. An item that it sees no more
-- is gone for it; one that it never saw is not mentioned.
-- $1 seen text           pg_snapshot; null = nothing yet: then what is gone is left out
-- $2 until text          pg_snapshot; null = what is visible now
-- $3 after_kind text     where the page before ended; null = from the start
-- $4 after_id text
-- $5 limit integer
-- $6 scope_id text
-- $7 properties text[]   null = all of the tenant
-- rows: in order of kind and item_id (kind, item_id, gone boolean, document text: null when gone,
--       changed_at text)
with item as (
    select i.*,
           (i.audience is not null and not i.deleted) and a.mine as seen,
           exists (
               select
                 from unnest(i.audiences) as e (audience)
                where e.audience in ('tenant', 'scope:' || $6::text)
                   or e.audience not like 'scope:%' and ($7::text[] is null or e.audience = any ($7::text[]))) as known
      from analytics.sync_items i
     cross join lateral (
           select i.audience in ('tenant', 'scope:' || $6::text)
               or i.audience not like 'scope:%' and ($7::text[] is null or i.audience = any ($7::text[])) as mine) a
     where (i.tenant_id = pg_catalog.current_setting('analytics.tenant_id') or i.tenant_id is null)
       -- what is below was seen; the index goes by this
       and i.changed_xid >= coalesce(pg_catalog.pg_snapshot_xmin($1::pg_snapshot), '0'::xid8)
       and ($1::text is null or not pg_catalog.pg_visible_in_snapshot(i.changed_xid, $1::pg_snapshot))
       and ($2::text is null or pg_catalog.pg_visible_in_snapshot(i.changed_xid, $2::pg_snapshot))
       and ($3::text is null or (i.kind, i.item_id) > ($3::text, $4::text))),
page as (
    select *
      from item
     where seen
        or known and $1::text is not null
     order by kind, item_id
     limit $5::integer)
select p.kind, p.item_id, not p.seen as gone,
       case
           when not p.seen then null
           when p.kind = 'dashboard' then (
               select d.summary::text
                 from analytics.dashboard_documents d
                where d.dashboard_id = p.item_id)
           when p.kind = 'widget' then (
               select w.document::text
                 from analytics.widget_documents w
                where w.widget_id = p.item_id)
           when p.kind = 'metric' then (
               select pg_catalog.jsonb_build_object(
                          'key', m.key, 'version', m.version, 'display', m.display,
                          'unit', pg_catalog.jsonb_build_object('kind', m.unit_kind), 'definitionHash', m.definition_hash,
                          'archived', m.archived_at is not null and m.archived_at <= pg_catalog.now())::text
                 from analytics.metric_definitions m
                where m.key = p.item_id
                  and m.tenant_id is not distinct from p.tenant_id
                order by m.version desc
                limit 1)
           when p.kind = 'alert' then (
               select pg_catalog.jsonb_build_object(
                          'checkId', c.check_id, 'table', c.table_name, 'kind', c.kind, 'column', c.column_name,
                          'severity', c.severity, 'blocking', c.blocking,
                          'observed', case when $7::text[] is null then r.observed end,
                          'expected', case when $7::text[] is null then r.expected end,
                          'since', case when $7::text[] is null then
                              pg_catalog.to_char(r.since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') end,
                          'mutedUntil',
                          pg_catalog.to_char(c.muted_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text
                 from analytics.dq_results r
                 join analytics.dq_checks c
                   on c.check_id = r.check_id
                where r.tenant_id = p.tenant_id
                  and r.check_id = p.item_id)
           when p.kind = 'snapshot' then (
               select s.body
                 from analytics.sync_snapshots s
                where s.tenant_id = p.tenant_id
                  and s.widget_id = pg_catalog.split_part(p.item_id, '@', 1)
                  and s.scope_id = pg_catalog.split_part(p.item_id, '@', 2))
       end as document,
       pg_catalog.to_char(p.changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as changed_at
  from page p
 order by p.kind, p.item_id;
