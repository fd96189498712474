-- Ends sessions of reporting logins whose statement lasts longer than this, whatever they have set.
-- $1 longest integer  milliseconds
-- rows: one for each role that had any (role text, ended integer)
select e.role, e.ended from analytics.end_long_reports(pg_catalog.make_interval(secs => $1::integer / 1000.0)) e;
