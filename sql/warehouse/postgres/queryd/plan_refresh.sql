-- How many rows of the tenant some tables have, by their profiles.
-- $1 tables text[]
-- rows: 1 (rows bigint); 0 when nothing was counted, or not all properties may be seen
select coalesce(sum(s.rows), 0)::bigint as rows
  from tenant_views.table_size s
 where s.table_name = any ($1::text[]);
