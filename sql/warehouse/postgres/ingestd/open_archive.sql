-- How far a file of an archive was loaded; another file of the same name has no past.
-- $1 file text            absolute path
-- $2 size_bytes bigint
-- $3 modified_us bigint   since 1970
-- rows: 0 or 1 (offset_bytes bigint, finished boolean); the offset is of the unpacked text
select offset_bytes, finished_at is not null as finished
from analytics_run.archive_file
where file = $1::text and size_bytes = $2::bigint and modified_us = $3::bigint
