-- Makes the tenant's login role, or renews its password.
-- $1 tenant_id text
-- $2 password text     derived from the master key
-- $3 renew boolean     also when the role is there
-- rows: 1 (whether anything was done)
select analytics.provision_tenant($1::text, $2::text, $3::boolean) as done;
