-- Whether the locked key is free: no request with it was answered in the last 24 hours. A statement
-- after lock_key, so that it sees what was committed until the lock was taken.
-- $1 operation text
-- $2 key text
-- rows: 1 (claim: 'mine', 'taken' or 'busy')
select pg_catalog.set_config('analytics.claim', case
           when pg_catalog.current_setting('analytics.claim') = 'mine' and exists (
                    select
                      from analytics.idempotency_keys k
                     where k.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
                       and k.user_id = pg_catalog.current_setting('analytics.user_id')
                       and k.operation = $1::text
                       and k.key = $2::text
                       and k.expires_at > pg_catalog.now())
               then 'taken'
           else pg_catalog.current_setting('analytics.claim')
       end, true) as claim;
