-- Adds a unit of work to the run record of its minute. The shard is in the key: no two workers meet.
-- $1 projection text
-- $2 shard integer
-- $3 rows_in bigint
-- $4 upserted bigint
-- $5 deleted bigint
-- $6 busy_ms bigint
-- rows: none
insert into analytics_run.refresh_minute as m
	(projection, minute, shard, units, rows_in, rows_upserted, rows_deleted, busy_ms)
values ($1::text, date_trunc('minute', now()), $2::integer, 1, $3::bigint, $4::bigint, $5::bigint, $6::bigint)
on conflict (projection, minute, shard) do update set
	units = m.units + 1, rows_in = m.rows_in + excluded.rows_in, rows_upserted = m.rows_upserted + excluded.rows_upserted,
	rows_deleted = m.rows_deleted + excluded.rows_deleted, busy_ms = m.busy_ms + excluded.busy_ms
