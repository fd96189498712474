-- Drops the version that was kept beside the live one, or what a failed build left.
-- $1 consumer text
-- rows: 1 (dropped integer), tables
-- locks: every shard of the consumer, at most 5 s
select analytics_run.drop_version($1::text) as dropped
