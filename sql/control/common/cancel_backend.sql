-- Asks a backend of the same role to give up its running statement.
-- $1 pid integer  backend process id
-- rows: one; false when there is no such backend
select pg_catalog.pg_cancel_backend($1::integer);
