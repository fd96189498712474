-- Removes rows that were published long ago.
-- $1 age interval
-- $2 max_rows integer
-- rows: none
delete from analytics_run.outbox
where outbox_id in (
	select outbox_id
	from analytics_run.outbox
	where published_at < now() - $1::interval
	order by published_at
	limit $2::integer
	for update skip locked)
