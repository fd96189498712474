-- Data versions of tables, in the snapshot of the statements beside it.
-- $1 tables text[]
-- rows: one per table, in the order asked (version; 0: nothing was ever applied to it)
select coalesce(s.data_version, 0) as version
  from unnest($1::text[]) with ordinality as t (table_name, position)
  left join tenant_views.table_state s
    on s.table_name = t.table_name
 order by t.position;
