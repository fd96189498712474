-- $1 version int   number of the migration
-- $2 name text     its file's name
-- $3 sha256 text   hex digest of its text
insert into analytics_run.schema_migrations (version, name, sha256)
values ($1::integer, $2::text, $3::text);
