-- Takes an idempotency key for this transaction. Another request with the same key is in flight when
-- that fails; nobody waits. The lock dies with its transaction, however that ends.
-- $1 operation text
-- $2 key text
-- rows: 1 (claim: 'mine', or 'busy')
select pg_catalog.set_config('analytics.claim', case
           when pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended(pg_catalog.concat_ws('|',
                    'idempotency', pg_catalog.current_setting('analytics.tenant_id'),
                    pg_catalog.current_setting('analytics.user_id'), $1::text, $2::text), 0))
               then 'mine'
           else 'busy'
       end, true) as claim;
