-- Before sources of metrics are read: they group by hash, and what was read until now is counted.
-- $1 tables text[]  that they read
-- rows: 1 (index entries so far, as of count_rows_read)
select tenant_views.rows_read($1::text[]) as rows, tenant_views.group_by_hash();
