-- Ends the sessions of a reporting login that was switched off.
-- $1 tenant text
-- rows: 1 (ended integer)
select analytics.end_looker_sessions($1::text) as ended;
