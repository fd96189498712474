-- until the unit ends: each statement is planned for its parameters, as analytics_etld does everywhere else
set local plan_cache_mode = force_custom_plan;
