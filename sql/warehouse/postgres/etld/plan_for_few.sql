-- until the unit ends: plans that are made once on a connection, for some ten keys of any value. Planning
-- is most of the time of a unit of one key.
set local plan_cache_mode = force_generic_plan;
