-- Ends the sessions of a deleted tenant and drops its login roles.
-- $1 tenant text
-- rows: 1 (done boolean)
select analytics.drop_tenant($1::text) >= 0 as done
