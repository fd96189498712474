-- Ends the sessions of listed roles that cannot log in.
-- rows: one for each role that had any (role text, ended integer)
select s.role, s.ended from analytics.end_closed_sessions() s;
