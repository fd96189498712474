-- Versions of projections (warehouse migration 0017): etld keeps the registry at what the warehouse says.
set local role analytics_owner;

grant insert on analytics.projections to analytics_etld;

reset role;
