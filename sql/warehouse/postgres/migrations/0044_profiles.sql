-- Profiles of these tables count values below zero (control migration 0026): their cells are counted again.
set local role analytics_owner;

insert into analytics_run.profile_dirty (tenant_id, table_name, day)
select tenant_id, table_name, day
from analytics_run.profile
where table_name in ('fact_room_night', 'fact_reservation', 'fact_inventory_day', 'fact_payment');

reset role;
