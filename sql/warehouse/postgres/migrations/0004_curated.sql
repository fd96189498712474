-- analytics_curated: one table of typed events for each consumer, and the facts and dimensions that
-- are functions of them.
--
-- event_<consumer>: JSON read once, one row an event, the events of a key side by side. No PII: a
-- guest is a pseudonym by the time he is here. A changed reading is a new table filled from raw.
-- <table>_v1: the rows; <table>: the stable name. Facts have no foreign keys: a fact whose property
-- is not known yet is kept. _batch_id (newest batch among the events of the row) and _updated_at
-- are the only columns in which an incremental result may differ from a rebuilt one.
-- Ids are COLLATE "C": they compare as bytes, as everywhere else, and session_user does too.

create schema if not exists analytics_curated;
alter schema analytics_curated owner to analytics_owner;
grant usage on schema analytics_curated to analytics_etld, analytics_dqd;
set local role analytics_owner;

-- ---- events

create table analytics_curated.event_reservation (
	tenant_id text collate "C" not null,
	reservation_id text collate "C" not null,
	occurred_at timestamptz not null,
	event_id text collate "C" not null,       -- the dedupe key
	aggregate_version bigint,
	batch_id bigint not null,
	verb text not null,
	at timestamptz not null,                  -- payload.at, else occurred_at
	property_id text collate "C",
	channel text,
	market_segment text,
	rate_plan_id text,
	guest_key text,
	handoff_id text,
	booked_at timestamptz,
	total_micro bigint,
	currency text,                            -- of the total
	reason text,
	actual_departure date,
	stay_start date,                          -- over all items, or of the stay itself
	stay_end date,
	adults integer,
	children integer,
	-- items, parallel arrays; null when the event has none
	item_id text[],
	item_type text[],
	item_kind text[],
	item_start date[],
	item_end date[],
	item_currency text[],
	-- nights, parallel arrays; night_item is a subscript of the above, 0 = every item
	night_item smallint[],
	night_date date[],
	night_rate bigint[],
	primary key (tenant_id, reservation_id, occurred_at, event_id)
);

create table analytics_curated.event_payment (
	tenant_id text collate "C" not null,
	transaction_id text collate "C" not null,
	occurred_at timestamptz not null,
	event_id text collate "C" not null,
	aggregate_version bigint,
	batch_id bigint not null,
	verb text not null,                       -- transaction.captured, chargeback.won …
	payment_id text collate "C",
	reservation_id text collate "C",
	folio_id text collate "C",
	property_id text collate "C",
	method text,
	vendor text,
	amount_micro bigint,
	currency text,
	failure_code text,
	primary key (tenant_id, transaction_id, occurred_at, event_id)
);

-- entity_id is a property, a room type or a room; a day of inventory has the id of its room type
create table analytics_curated.event_property (
	tenant_id text collate "C" not null,
	entity text collate "C" not null check (entity in ('property', 'room_type', 'room', 'day')),
	entity_id text collate "C" not null,
	occurred_at timestamptz not null,
	event_id text collate "C" not null,
	aggregate_version bigint,
	batch_id bigint not null,
	verb text not null,
	property_id text collate "C",
	room_type_id text collate "C",
	name text,
	city text,
	country text,
	timezone text,
	currency text,
	check_in_time text,
	max_occupancy integer,
	number text,
	day_from date,                            -- of an absence, or the day itself
	day_until date,                           -- exclusive
	category text,
	rooms integer,                            -- inventory.room_type_daily: total
	blocked integer,                          -- oosBlocked
	primary key (tenant_id, entity, entity_id, occurred_at, event_id)
);
-- which rooms were ever of a type, and what was said about a day of it
create index event_property_type on analytics_curated.event_property (tenant_id, room_type_id, entity_id)
	where entity = 'room';
create index event_property_day on analytics_curated.event_property (tenant_id, entity_id, day_from)
	where entity = 'day';

create table analytics_curated.event_tenant (
	tenant_id text collate "C" not null,
	occurred_at timestamptz not null,
	event_id text collate "C" not null,
	aggregate_version bigint,
	batch_id bigint not null,
	verb text not null,
	name text,
	region text,
	data_residency text,
	default_currency text,
	timezone text,
	weekend_days integer[],                   -- ISO, 1 = Monday
	primary key (tenant_id, occurred_at, event_id)
);

-- ---- reservations

create table analytics_curated.fact_reservation_v1 (
	tenant_id text collate "C" not null,
	reservation_id text collate "C" not null,
	property_id text collate "C",
	room_type_id text collate "C",            -- of the first item
	channel text not null,
	market_segment text,
	rate_plan_id text,
	guest_key text,
	handoff_id text,
	status text not null,
	booked_at timestamptz not null,
	confirmed_at timestamptz,                 -- null: only ever held
	arrival_date date,
	departure_date date,
	nights integer,
	rooms integer not null,
	adults integer,
	children integer,
	lead_time_days integer,
	room_revenue_micro bigint not null,
	total_micro bigint,
	currency text,
	cancelled_at timestamptz,
	cancel_reason text,
	checked_in_at timestamptz,
	checked_out_at timestamptz,
	no_show_at timestamptz,
	modifications integer not null,
	last_event_at timestamptz not null,
	night_rows integer not null,              -- rows of this reservation in fact_room_night
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, reservation_id)
) with (fillfactor = 85);
create index fact_reservation_arrival on analytics_curated.fact_reservation_v1 (tenant_id, arrival_date);
create index fact_reservation_departure on analytics_curated.fact_reservation_v1 (tenant_id, departure_date);

create table analytics_curated.fact_room_night_v1 (
	tenant_id text collate "C" not null,
	reservation_id text collate "C" not null,
	item_id text collate "C" not null,
	stay_date date not null,
	property_id text collate "C",
	room_type_id text collate "C",
	channel text not null,
	market_segment text,
	rate_plan_id text,
	kind text not null,
	state text not null,
	rate_micro bigint,
	currency text,
	booked_at timestamptz not null,
	lead_time_days integer not null,          -- from booking to this night
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, reservation_id, item_id, stay_date)
) with (fillfactor = 85);
create index fact_room_night_date on analytics_curated.fact_room_night_v1 (tenant_id, stay_date);

-- ---- payments

create table analytics_curated.fact_payment_v1 (
	tenant_id text collate "C" not null,
	transaction_id text collate "C" not null,
	payment_id text collate "C",
	reservation_id text collate "C",
	folio_id text collate "C",
	property_id text collate "C",
	kind text not null,
	outcome text,                             -- of a chargeback: opened, won, lost
	method text,
	vendor text,
	amount_micro bigint,
	currency text,
	failure_code text,
	occurred_at timestamptz not null,
	business_date date not null,
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, transaction_id)
) with (fillfactor = 90);
create index fact_payment_date on analytics_curated.fact_payment_v1 (tenant_id, business_date);

-- ---- properties and what can be sold

create table analytics_curated.dim_property_v1 (
	tenant_id text collate "C" not null,
	property_id text collate "C" not null,
	name text,
	city text,
	country text,
	timezone text,                            -- null: not known, UTC is used
	currency text,
	check_in_time text,
	status text not null,
	created_at timestamptz not null,
	last_event_at timestamptz not null,
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, property_id)
);

-- A type that only its rooms speak of is here too, with status unknown, so that every row of
-- fact_inventory_day has its type. inventory_from/_to: its rows there are exactly those days.
create table analytics_curated.dim_room_type_v1 (
	tenant_id text collate "C" not null,
	room_type_id text collate "C" not null,
	property_id text collate "C",
	name text,
	max_occupancy integer,
	status text not null,
	inventory_from date,
	inventory_to date,
	created_at timestamptz not null,
	last_event_at timestamptz not null,
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, room_type_id)
);

create table analytics_curated.dim_room_v1 (
	tenant_id text collate "C" not null,
	room_id text collate "C" not null,
	property_id text collate "C",
	room_type_id text collate "C",
	number text,
	status text not null,
	created_at timestamptz not null,
	last_event_at timestamptz not null,
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, room_id)
);

create table analytics_curated.fact_inventory_day_v1 (
	tenant_id text collate "C" not null,
	room_type_id text collate "C" not null,
	date date not null,
	property_id text collate "C",
	rooms_total integer not null,
	out_of_order integer not null,
	out_of_service integer not null,
	closed integer not null,
	house_permanent integer not null,
	rooms_available integer not null,         -- total less closed and house_permanent
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, room_type_id, date)
) with (fillfactor = 90);
create index fact_inventory_day_date on analytics_curated.fact_inventory_day_v1 (tenant_id, date);

-- ---- tenants

create table analytics_curated.dim_tenant_v1 (
	tenant_id text collate "C" not null,
	name text,
	region text,
	data_residency text,
	default_currency text,
	timezone text,
	weekend_days integer[],
	status text not null,
	created_at timestamptz not null,
	last_event_at timestamptz not null,
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id)
);

-- ---- stable names

do $$
declare
	t text;
begin
	foreach t in array array['fact_reservation', 'fact_room_night', 'fact_payment', 'fact_inventory_day',
		'dim_property', 'dim_room_type', 'dim_room', 'dim_tenant']
	loop
		execute format('create view analytics_curated.%I as select * from analytics_curated.%I', t, t || '_v1');
		execute format('grant select, insert, update, delete on analytics_curated.%I to analytics_etld', t || '_v1');
		execute format('grant select on analytics_curated.%I to analytics_etld, analytics_dqd', t);
	end loop;
	foreach t in array array['event_reservation', 'event_payment', 'event_property', 'event_tenant'] loop
		execute format('grant select, insert, delete on analytics_curated.%I to analytics_etld', t);
		execute format('grant select on analytics_curated.%I to analytics_dqd', t);
	end loop;
end
$$;

reset role;
