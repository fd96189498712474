-- A shape that a process of ingestd has met for the first time; another one may have before.
-- $1 subject text
-- $2 schema_version integer
-- $3 fingerprint bigint
-- $4 paths text  a line each, sorted
insert into analytics_run.event_shape (subject, schema_version, fingerprint, paths)
values ($1::text, $2::integer, $3::bigint, $4::text)
on conflict do nothing
