-- Notes that all of a file up to an offset has landed.
-- $1 file text            absolute path
-- $2 size_bytes bigint
-- $3 modified_us bigint   since 1970
-- $4 offset_bytes bigint  of the unpacked text
-- $5 accepted bigint      since the last note, like the next three
-- $6 duplicates bigint
-- $7 conflicts bigint
-- $8 dead_letters bigint
-- $9 finished boolean
-- rows: none
insert into analytics_run.archive_file as f
	(file, size_bytes, modified_us, offset_bytes, accepted, duplicates, conflicts, dead_letters, finished_at)
values ($1::text, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint,
	case when $9::boolean then now() end)
on conflict (file) do update set
	size_bytes = excluded.size_bytes, modified_us = excluded.modified_us, offset_bytes = excluded.offset_bytes,
	accepted = f.accepted + excluded.accepted, duplicates = f.duplicates + excluded.duplicates,
	conflicts = f.conflicts + excluded.conflicts, dead_letters = f.dead_letters + excluded.dead_letters,
	finished_at = excluded.finished_at, noted_at = now()
