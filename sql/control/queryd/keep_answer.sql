-- Keeps the answer of the change that this transaction made, if it made one, under its key.
-- $1 operation text
-- $2 key text
-- $3 request_hash text     hex
-- $4 status integer
-- $5 location text         path before the id; null: the answer has no Location
insert into analytics.idempotency_keys as k
       (tenant_id, user_id, operation, key, request_hash, status, response, etag, location, expires_at)
select d.tenant_id, pg_catalog.current_setting('analytics.user_id'), $1::text, $2::text,
       pg_catalog.decode($3::text, 'hex'), $4::integer, d.document::text, '"v' || d.revision || '"',
       $5::text || d.id, pg_catalog.now() + interval '24 hours'
  from analytics.documents d
 where d.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and d.id = nullif(pg_catalog.current_setting('analytics.effect', true), '')
    on conflict (tenant_id, user_id, operation, key) do update
   set request_hash = excluded.request_hash, status = excluded.status, response = excluded.response,
       etag = excluded.etag, location = excluded.location, expires_at = excluded.expires_at
 where k.expires_at <= pg_catalog.now();
