-- The job of a forecast asks for its event by id (etld/look_for_forecast.sql).
set local role analytics_owner;

create index event_forecast_event on analytics_curated.event_forecast (tenant_id, event_id);

reset role;
