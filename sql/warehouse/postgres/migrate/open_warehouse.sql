-- Script of `etld migrate`: takes the one lock (held until the session ends) and makes sure that the
-- record of applied migrations exists. The lock's number is arbitrary but fixed.
select pg_catalog.pg_advisory_lock(7301, 2);
create schema if not exists analytics_run;
create table if not exists analytics_run.schema_migrations (
    version integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default pg_catalog.clock_timestamp()
);
