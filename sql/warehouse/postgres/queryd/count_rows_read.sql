-- What the connection has read of these tables; see tenant_views.rows_read().
-- $1 tables text[]  null: all
-- rows: 1 (index entries so far, which stand for rows: the difference of two calls is what was read between)
select tenant_views.rows_read($1::text[]) as rows;
