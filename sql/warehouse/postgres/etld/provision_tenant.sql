-- Makes the login role of a tenant, or renews its password.
-- $1 tenant text
-- $2 password text  derived from the master credential
-- $3 renew boolean  set the password of an existing role too
-- rows: 1 (done boolean)
select analytics.provision_tenant($1::text, $2::text, $3::boolean) as done
