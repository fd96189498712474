-- Removes entries and snapshots that are older than 30 days.
-- rows: 1 (count of entries)
select analytics.forget_query_log() as count;
