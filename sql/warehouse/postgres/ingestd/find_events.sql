-- What has landed under some keys.
-- $1 keys text  JSON array of {"at": ordinal, "key": dedupe key, "tenant": tenant}
-- rows: one for each key that has landed (at integer, content_hash text: hex)
select k.at, encode(e.content_hash, 'hex') as content_hash
from jsonb_to_recordset($1::jsonb) as k (at integer, key text, tenant text)
cross join lateral (
	-- the limit keeps it a look-up for each key, which goes to one partition
	select content_hash
	from events_raw.event
	where dedupe_key = k.key collate "C" and tenant_id = k.tenant collate "C"
	limit 1) e
