-- What was on the books at any instant, and the signals that are made of it.

set local role analytics_owner;

-- ---- the history of room nights

-- The last value that was given, nulls left out: over a window, what was known so far.
create function analytics_run.later(known anyelement, given anyelement) returns anyelement
language sql immutable strict parallel safe as 'select $2';
create aggregate analytics_run.last_given(anyelement) (sfunc = analytics_run.later, stype = anyelement);

-- A night that came on the books (+1), left them (-1), or is another one since (both): its price, or
-- whatever else stands here. known_at is when the event happened that changed it. The sum of the rows
-- with known_at <= T is what was on the books at T; the sum of all is fact_room_night as far as it is
-- on the books, in house or stayed.
create table analytics_curated.fact_room_night_history_v1 (
	tenant_id text collate "C" not null,
	reservation_id text collate "C" not null,
	item_id text collate "C" not null,
	stay_date date not null,
	known_at timestamptz not null,
	rooms_delta smallint not null check (rooms_delta in (-1, 1)),
	property_id text collate "C",
	room_type_id text collate "C",
	channel text not null,
	market_segment text,
	rate_plan_id text,
	kind text not null,
	rate_delta_micro bigint,
	currency text,
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, reservation_id, item_id, stay_date, known_at, rooms_delta)
);
create index fact_room_night_history_date on analytics_curated.fact_room_night_history_v1 (tenant_id, stay_date);

create view analytics_curated.fact_room_night_history as select * from analytics_curated.fact_room_night_history_v1;
grant select, insert, update, delete on analytics_curated.fact_room_night_history_v1 to analytics_etld;
grant select on analytics_curated.fact_room_night_history to analytics_etld, analytics_dqd;

create view tenant_views.fact_room_night_history with (security_barrier) as
select tenant_id, reservation_id, item_id, stay_date, known_at, rooms_delta, property_id, room_type_id, channel,
	market_segment, rate_plan_id, kind, rate_delta_micro, currency, _schema_version, _updated_at
from analytics_curated.fact_room_night_history
where tenant_id = session_user::text
	and ((select tenant_views.scope() = '{*}') or property_id = any ((select tenant_views.scope())::text[]));
grant select on tenant_views.fact_room_night_history to analytics_tenants;

-- of the reservations that are there already
insert into analytics_run.touched (consumer, tenant_id, kind, key)
select 'reservation', tenant_id, 'all', ''
from analytics_run.table_state
where table_name = 'fact_reservation';

-- ---- signals

-- Whose signals are due when; a worker that takes a tenant first puts it off by a lease.
create table analytics_run.signal_due (
	tenant_id text collate "C" primary key,
	due_at timestamptz not null
) with (fillfactor = 70);

-- What was said last of a property: the same is not said again.
create table analytics_run.signal (
	tenant_id text collate "C" not null,
	signal text collate "C" not null,
	property_id text collate "C" not null,
	content_hash bytea not null,             -- of the payload without its asOf
	event_id text collate "C" not null,
	said_at timestamptz not null default now(),
	primary key (tenant_id, signal, property_id)
) with (fillfactor = 70);

grant select, insert, update, delete on analytics_run.signal_due, analytics_run.signal to analytics_etld;

reset role;
