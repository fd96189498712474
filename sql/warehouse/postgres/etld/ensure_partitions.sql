-- Makes the monthly partitions of raw that are missing between two dates; see 0002_raw.sql.
-- $1 from date
-- $2 to date
-- rows: 1 (made integer)
select analytics_run.ensure_partitions($1::date, $2::date) as made
