-- Removes what is older than 30 days.
-- rows: 1 (count)
select analytics.forget_query_log() as count;
