-- Switches the login of a tenant's reporting tool on or off.
-- $1 tenant text
-- $2 password text    derived from the master credential
-- $3 enabled boolean
-- rows: 1 (role text)
select analytics.provision_looker($1::text, $2::text, $3::boolean) as role;
