-- $1 entries text     JSON array, see analytics.log_queries
select analytics.log_queries($1::jsonb);
