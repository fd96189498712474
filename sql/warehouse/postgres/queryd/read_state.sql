-- The tenant's data versions, and how old its oldest event is that has landed and is not applied, in the
-- snapshot of the statements beside it. Without parameters, so that a session plans it once.
-- rows: one per table that anything was ever applied to, at least one (now, oldest landing time; microseconds
--       since 1970, oldest null when nothing is pending; table_name, null: none; data_version)
select (extract(epoch from pg_catalog.now()) * 1000000)::bigint as now_us,
       (extract(epoch from p.oldest_landed_at) * 1000000)::bigint as oldest_us,
       s.table_name,
       s.data_version
  from (
       select min(w.oldest_landed_at) as oldest_landed_at
         from tenant_views.pending w) p
  left join tenant_views.table_state s
    on true;
