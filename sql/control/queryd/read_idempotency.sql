-- $1 key text            Idempotency-Key
-- $2 request_hash text   hex
-- rows: 1 (whether the key belongs to this request, response)
select k.request_hash = pg_catalog.decode($2::text, 'hex') as same, k.response
  from analytics.idempotency_keys k
 where k.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and k.key = $1::text;
