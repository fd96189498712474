-- The document of a record that is to be signed.
-- $1 record_id text
-- $2 control jsonb  what the control database has of the tenant now
-- rows: 1 (document text)
select analytics_run.describe_purge($1::text, $2::jsonb) as document
