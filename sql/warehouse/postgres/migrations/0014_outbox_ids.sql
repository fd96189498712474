-- Events that come from the control database are moved into the outbox by queryd, which may do it
-- twice: their id is unique. Events written here in the transaction of their effect have none.
set local role analytics_owner;

alter table analytics_run.outbox add column event_id text collate "C";
create unique index outbox_event_id on analytics_run.outbox (event_id) where event_id is not null;

reset role;
