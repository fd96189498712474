-- Says which region this database is in, in any spelling; '*' for all.
-- $1 region text
-- rows: none
update analytics_run.setting
set value = analytics_run.region_named($1::text)
where key = 'region' and value <> analytics_run.region_named($1::text)
