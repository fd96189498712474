-- The answer under a key, of this request or of the same one before.
-- $1 operation text
-- $2 key text
-- $3 request_hash text     hex
-- rows: 0 or 1 (status, response, etag, location, whether the key belongs to this request)
select k.status, k.response, k.etag, k.location,
       k.request_hash = pg_catalog.decode($3::text, 'hex') as same
  from analytics.idempotency_keys k
 where k.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and k.user_id = pg_catalog.current_setting('analytics.user_id')
   and k.operation = $1::text
   and k.key = $2::text
   and k.expires_at > pg_catalog.now();
