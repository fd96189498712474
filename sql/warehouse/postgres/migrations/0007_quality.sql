-- What dqd reads to know how many rows a table should have: the typed events, never raw.
set local role analytics_owner;

grant select on analytics_curated.event_reservation, analytics_curated.event_payment,
    analytics_curated.event_property, analytics_curated.event_tenant to analytics_dqd;

reset role;
