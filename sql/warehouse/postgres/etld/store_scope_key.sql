-- Makes the key that signs property scopes the one that queryd has. Without a key the random one of
-- the migration stays, and no scope can be signed.
-- $1 key_text text  content of the credential
-- rows: none
update analytics_run.scope_key
set key = convert_to($1::text, 'UTF8')
where $1::text is not null and key <> convert_to($1::text, 'UTF8')
