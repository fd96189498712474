-- The rest of the curated layer: exchange rates, housekeeping, locks, AI suggestions and forecasts, the
-- audit trail and the booking funnel. Shapes and habits are those of 0004 and 0006.
--
-- Their events may have landed long ago, acknowledged by the consumer `none`: at the end they are put
-- into the queue again. The delta table is locked meanwhile, so that no batch is queued by the old
-- answer of consumer_of() after this has looked.

set local role analytics_owner;
lock table analytics_run.delta in share row exclusive mode;

-- ---- who reads what

create or replace function analytics_run.consumer_of(domain text) returns text
language sql immutable parallel safe as $$
	select case domain
		when 'reservation' then 'reservation'
		when 'payment' then 'payment'
		when 'property' then 'property'
		when 'inventory' then 'property'
		when 'tenant' then 'tenant'
		when 'housekeeping' then 'housekeeping'
		when 'billing' then 'fx'
		when 'pricing' then 'fx'
		when 'lock' then 'lock'
		when 'ai' then 'ai'
		when 'ai_orchestrator' then 'ai'
		when 'iam' then 'audit'
		when 'audit' then 'audit'
		when 'bff' then 'funnel'
		else 'none'
	end
$$;

insert into analytics_run.consumer (consumer, consumer_id, hot) values
	('housekeeping', 7105, true),
	('fx', 7106, false),
	('lock', 7107, false),
	('ai', 7108, false),
	('audit', 7109, false),
	('funnel', 7110, false);

-- Every reservation that changes leaves a row here for the funnel. Looking up its consumer was most of what
-- that cost the rebuild (1.16 against 1.02 times); only our own statements name one.
alter table analytics_run.touched drop constraint touched_consumer_fkey;

-- a number of the payload as it stands there, exactly; what is absurdly large or fine is no number
create function analytics_run.decimal_of(payload jsonb, member text) returns numeric
language sql immutable parallel safe as $$
	select case when jsonb_typeof(payload -> member) = 'number' and payload ->> member ~ '^-?[0-9]{1,9}(\.[0-9]{1,12})?$'
		then (payload ->> member)::numeric end
$$;

-- ---- exchange rates

-- One row for each rate that was ever said, not for each event: every folio repeats the snapshot of
-- its day. said_at and event_id are those of the event that said it first.
create table analytics_curated.event_fx (
	tenant_id text collate "C" not null,
	base_currency text collate "C" not null,
	quote_currency text collate "C" not null,
	captured_at timestamptz not null,
	property_id text collate "C" not null,    -- '' = none was named
	rate numeric not null,
	source text not null,                     -- '' = none was named
	said_at timestamptz not null,
	event_id text collate "C" not null,
	batch_id bigint not null,
	primary key (tenant_id, base_currency, quote_currency, captured_at, property_id, rate, source)
);

-- rate = units of base_currency for one unit of quote_currency, as the snapshots have it
create table analytics_curated.dim_fx_v1 (
	tenant_id text collate "C" not null,
	base_currency text collate "C" not null,
	quote_currency text collate "C" not null,
	rate_date date not null,
	rate_micro bigint not null,
	rate numeric not null,                    -- exact; rate_micro is rounded
	source text,
	captured_at timestamptz not null,
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, base_currency, quote_currency, rate_date)
);

-- ---- housekeeping

create table analytics_curated.event_housekeeping (
	tenant_id text collate "C" not null,
	task_id text collate "C" not null,
	occurred_at timestamptz not null,
	event_id text collate "C" not null,
	aggregate_version bigint,
	batch_id bigint not null,
	verb text not null,
	at timestamptz not null,                  -- payload.at, else occurred_at
	property_id text collate "C",
	room_id text collate "C",
	reservation_id text collate "C",
	kind text,
	priority text,
	source text,
	staff_key text,                           -- pseudonym
	result text,
	primary key (tenant_id, task_id, occurred_at, event_id)
);

create table analytics_curated.fact_housekeeping_task_v1 (
	tenant_id text collate "C" not null,
	task_id text collate "C" not null,
	property_id text collate "C",
	room_id text collate "C",
	reservation_id text collate "C",
	kind text,
	priority text,
	status text not null,                     -- created, assigned, started, completed, inspected, cancelled
	source text,
	created_at timestamptz not null,
	assigned_at timestamptz,                  -- the first time; started_at and completed_at are the last
	started_at timestamptz,
	completed_at timestamptz,
	inspected_at timestamptz,
	ready_at timestamptz,                     -- passed, or completed and not inspected since
	minutes_to_start integer,                 -- from created
	minutes_to_complete integer,              -- from started
	minutes_to_ready integer,                 -- from created
	reassignments integer not null,
	escalations integer not null,
	staff_key text,
	inspection_result text,
	business_date date not null,              -- of created_at
	last_event_at timestamptz not null,
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, task_id)
) with (fillfactor = 85);
create index fact_housekeeping_task_date on analytics_curated.fact_housekeeping_task_v1 (tenant_id, business_date);

-- ---- locks

-- lock_key is the credential, the attempt or the device that an event is about
create table analytics_curated.event_lock (
	tenant_id text collate "C" not null,
	lock_key text collate "C" not null,
	occurred_at timestamptz not null,
	event_id text collate "C" not null,
	aggregate_version bigint,
	batch_id bigint not null,
	verb text not null,                       -- credential.issued, access.denied …
	property_id text collate "C",
	room_id text collate "C",
	key_credential_id text collate "C",
	lock_device_id text collate "C",
	reservation_id text collate "C",
	holder_kind text,
	vendor text,
	reason text,
	primary key (tenant_id, lock_key, occurred_at, event_id)
);

create table analytics_curated.fact_lock_action_v1 (
	tenant_id text collate "C" not null,
	action_id text collate "C" not null,      -- the attempt, else the event
	lock_key text collate "C" not null,
	action text not null,                     -- request, issue, activate, suspend, revoke, access, alert
	property_id text collate "C",
	room_id text collate "C",
	key_credential_id text collate "C",
	lock_device_id text collate "C",
	reservation_id text collate "C",
	holder_kind text,
	vendor text,
	result text not null,                     -- requested, succeeded, failed, granted, denied, alert
	reason text,
	occurred_at timestamptz not null,
	business_date date not null,
	latency_ms bigint,                        -- of issue: since the request before
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, lock_key, action_id)
);
create index fact_lock_action_date on analytics_curated.fact_lock_action_v1 (tenant_id, business_date);

-- ---- suggestions

-- suggestion_id is the suggestion that a decision is about, or the request that an inference answered
create table analytics_curated.event_ai (
	tenant_id text collate "C" not null,
	suggestion_id text collate "C" not null,
	occurred_at timestamptz not null,
	event_id text collate "C" not null,
	aggregate_version bigint,
	batch_id bigint not null,
	verb text not null check (verb in ('completed', 'decided')),
	at timestamptz not null,                  -- decidedAt, else occurred_at
	request_id text collate "C",              -- of a decision
	property_id text collate "C",
	capability text,
	decision text,
	shown_at timestamptz,
	primary key (tenant_id, suggestion_id, occurred_at, event_id)
);
create index event_ai_request on analytics_curated.event_ai (tenant_id, request_id) where request_id is not null;

create table analytics_curated.fact_ai_suggestion_v1 (
	tenant_id text collate "C" not null,
	suggestion_id text collate "C" not null,  -- of an inference that nobody has decided about: its request
	request_id text collate "C",
	capability text,
	property_id text collate "C",
	produced_at timestamptz,
	shown_at timestamptz,                     -- a decision without it was shown when it was taken
	decided_at timestamptz,
	decision text,                            -- accepted, edited, rejected, expired
	business_date date not null,              -- of the decision, else of the inference
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, suggestion_id)
);
create index fact_ai_suggestion_date on analytics_curated.fact_ai_suggestion_v1 (tenant_id, business_date);

-- ---- forecasts

-- points, parallel arrays. '' = no property, or all room types of the property
create table analytics_curated.event_forecast (
	tenant_id text collate "C" not null,
	property_id text collate "C" not null,
	forecast_run_id text collate "C" not null,
	room_type_id text collate "C" not null,
	occurred_at timestamptz not null,
	event_id text collate "C" not null,
	aggregate_version bigint,
	batch_id bigint not null,
	capability text,
	model text,
	model_version text,
	generated_at timestamptz not null,
	stay_date date[] not null,
	rooms_p10 numeric[] not null,
	rooms_p50 numeric[] not null,
	rooms_p90 numeric[] not null,
	occupancy numeric[] not null,
	adr_micro bigint[] not null,
	currency text[] not null,
	primary key (tenant_id, property_id, forecast_run_id, room_type_id, occurred_at, event_id)
);

create table analytics_curated.fact_demand_forecast_v1 (
	tenant_id text collate "C" not null,
	property_id text collate "C" not null,
	room_type_id text collate "C",            -- null: the whole property
	stay_date date not null,
	forecast_run_id text collate "C" not null,
	capability text,
	model text,
	model_version text,
	generated_at timestamptz not null,
	horizon_days integer not null,            -- from the property-local day of generated_at to the stay date
	rooms_p10 numeric,
	rooms_p50 numeric not null,
	rooms_p90 numeric,
	occupancy numeric,
	adr_micro bigint,
	currency text,
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	unique nulls not distinct (tenant_id, property_id, forecast_run_id, room_type_id, stay_date)
);
create index fact_demand_forecast_date on analytics_curated.fact_demand_forecast_v1 (tenant_id, stay_date);

-- Points that were not believed, and why; judged again when what they were judged by changes.
create table analytics_curated.forecast_quarantine (
	tenant_id text collate "C" not null,
	property_id text collate "C" not null,
	forecast_run_id text collate "C" not null,
	room_type_id text collate "C" not null,
	event_id text collate "C" not null,
	point integer not null,                   -- its place in the event, from 1
	stay_date date,
	rooms_p10 numeric,
	rooms_p50 numeric,
	rooms_p90 numeric,
	occupancy numeric,
	adr_micro bigint,
	capacity integer,                         -- rooms known when it was judged
	reason text not null check (reason in ('unknown_property', 'unknown_room_type', 'incomplete', 'negative',
		'quantiles_out_of_order', 'above_capacity', 'stale')),
	generated_at timestamptz not null,
	occurred_at timestamptz not null,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, property_id, forecast_run_id, room_type_id, event_id, point)
);

-- what a forecast is judged by: the rooms of a property and of a type
create index dim_room_property on analytics_curated.dim_room_v1 (tenant_id, property_id, room_type_id);

-- ---- audit

create table analytics_curated.event_audit (
	tenant_id text collate "C" not null,
	event_id text collate "C" not null,
	occurred_at timestamptz not null,
	batch_id bigint not null,
	subject text not null,
	entity_type text,
	entity_key text,                          -- pseudonym: an id here is a person's, or a hash of his address
	correlation_id text,
	primary key (tenant_id, event_id)
);

create table analytics_curated.fact_audit_event_v1 (
	tenant_id text collate "C" not null,
	event_id text collate "C" not null,
	subject text not null,
	entity_type text,
	entity_key text,
	correlation_id text,
	occurred_at timestamptz not null,
	business_date date not null,              -- UTC: an audit event has no property
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, event_id)
);
create index fact_audit_event_date on analytics_curated.fact_audit_event_v1 (tenant_id, business_date);

-- ---- the funnel

-- tenant_id is where the event landed (`_platform` for the meta search), owner_id the tenant whose
-- funnel it belongs to: the one that a click names. A search has none and is nobody's.
create table analytics_curated.event_funnel (
	tenant_id text collate "C" not null,
	event_id text collate "C" not null,
	occurred_at timestamptz not null,
	aggregate_version bigint,
	batch_id bigint not null,
	verb text not null check (verb in ('search', 'click', 'handoff', 'consumed', 'draft', 'converted')),
	owner_id text collate "C",
	session_id text collate "C",
	handoff_id text collate "C",
	property_id text collate "C",
	reservation_id text collate "C",
	meta_source text,
	primary key (tenant_id, event_id)
);
create index event_funnel_session on analytics_curated.event_funnel (session_id, owner_id, occurred_at);
create index event_funnel_handoff on analytics_curated.event_funnel (owner_id, handoff_id) where handoff_id is not null;
create index event_funnel_reservation on analytics_curated.event_funnel (owner_id, reservation_id)
	where reservation_id is not null;
create index event_funnel_property on analytics_curated.event_funnel (owner_id, property_id);

-- funnel_id: the hand-off, or `<session>/<property>` of what went on without one
create table analytics_curated.fact_funnel_v1 (
	tenant_id text collate "C" not null,
	funnel_id text collate "C" not null,
	session_id text collate "C",
	handoff_id text collate "C",
	property_id text collate "C",
	meta_source text,
	searched_at timestamptz,
	clicked_at timestamptz,                   -- the last click before the hand-off
	handed_off_at timestamptz,
	consumed_at timestamptz,
	drafted_at timestamptz,
	converted_at timestamptz,
	confirmed_at timestamptz,
	reservation_id text collate "C",
	cancelled boolean not null,
	business_date date not null,              -- of the click, else of the first step known
	_schema_version smallint not null default 1,
	_batch_id bigint not null,
	_updated_at timestamptz not null,
	primary key (tenant_id, funnel_id)
);
create index fact_funnel_date on analytics_curated.fact_funnel_v1 (tenant_id, business_date);
create index fact_funnel_session on analytics_curated.fact_funnel_v1 (tenant_id, session_id);
create index fact_funnel_reservation on analytics_curated.fact_funnel_v1 (tenant_id, reservation_id);
create index fact_reservation_handoff on analytics_curated.fact_reservation_v1 (tenant_id, handoff_id)
	where handoff_id is not null;

-- ---- stable names, and what tenants see

do $$
declare
	t text;
	columns text;
	mine constant text := 'tenant_id = session_user::text';
	scoped constant text := ' and ((select tenant_views.scope() = ''{*}'')'
		' or property_id = any ((select tenant_views.scope())::text[]))';
	-- these are of no property; the audit trail is for those who see all of them
	unscoped constant text[] := '{dim_fx,fact_audit_event}';
begin
	foreach t in array array['dim_fx', 'fact_housekeeping_task', 'fact_lock_action', 'fact_ai_suggestion',
		'fact_demand_forecast', 'fact_audit_event', 'fact_funnel']
	loop
		execute format('create view analytics_curated.%I as select * from analytics_curated.%I', t, t || '_v1');
		execute format('grant select, insert, update, delete on analytics_curated.%I to analytics_etld', t || '_v1');
		execute format('grant select on analytics_curated.%I to analytics_etld, analytics_dqd', t);
		select string_agg(quote_ident(attname), ', ' order by attnum) into columns
		from pg_attribute
		where attrelid = ('analytics_curated.' || t)::regclass and attnum > 0 and attname <> '_batch_id';
		execute format('create view tenant_views.%I with (security_barrier) as select %s from analytics_curated.%I where %s',
			t, columns, t, mine || case
				when t = 'dim_fx' then ''
				when t = any (unscoped) then ' and (select tenant_views.scope() = ''{*}'')'
				else scoped
			end);
	end loop;
	foreach t in array array['event_fx', 'event_housekeeping', 'event_lock', 'event_ai', 'event_forecast', 'event_audit',
		'event_funnel']
	loop
		execute format('grant select, insert, update, delete on analytics_curated.%I to analytics_etld', t);
		execute format('grant select on analytics_curated.%I to analytics_dqd', t);
	end loop;
end
$$;
grant select, insert, update, delete on analytics_curated.forecast_quarantine to analytics_etld;
grant select on analytics_curated.forecast_quarantine to analytics_dqd;
grant select on analytics_run.touched to analytics_dqd;

-- ---- how good the forecasts were

-- The newest vintage of every stay date.
create view tenant_views.fact_demand_forecast_latest with (security_barrier) as
select distinct on (property_id, room_type_id, stay_date)
	tenant_id, property_id, room_type_id, stay_date, forecast_run_id, capability, model, model_version, generated_at,
	horizon_days, rooms_p10, rooms_p50, rooms_p90, occupancy, adr_micro, currency
from analytics_curated.fact_demand_forecast
where tenant_id = session_user::text
	and ((select tenant_views.scope() = '{*}') or property_id = any ((select tenant_views.scope())::text[]))
order by property_id, room_type_id, stay_date, generated_at desc, forecast_run_id desc;

-- Rooms sold, by room type and (null) by property. Two groupings and no grouping sets: a tenant's condition
-- would stay above those, and the scan below would be one of all tenants.
create view analytics_curated.rooms_sold_day as
select tenant_id, property_id, room_type_id, stay_date, count(*) as rooms
from analytics_curated.fact_room_night
where kind = 'sold' and state in ('on_books', 'in_house', 'stayed') and room_type_id is not null
group by tenant_id, property_id, room_type_id, stay_date
union all
select tenant_id, property_id, null, stay_date, count(*)
from analytics_curated.fact_room_night
where kind = 'sold' and state in ('on_books', 'in_house', 'stayed')
group by tenant_id, property_id, stay_date;

-- Every vintage of a night that is over, beside the rooms sold in it and in the same weekday a year
-- (364 days) before. No row of that day = nothing was sold; before the property's first night there is
-- no last year to compare with.
create view analytics_curated.forecast_outcome as
select f.tenant_id, f.property_id, f.room_type_id, f.stay_date, f.forecast_run_id, f.model, f.model_version, f.horizon_days,
	f.rooms_p10, f.rooms_p50, f.rooms_p90, coalesce(a.rooms, 0) as rooms_sold,
	case when f.stay_date - 364 >= h.first_night then coalesce(l.rooms, 0) end as rooms_last_year
from analytics_curated.fact_demand_forecast f
left join analytics_curated.dim_property p on p.tenant_id = f.tenant_id and p.property_id = f.property_id
left join (
	select tenant_id, property_id, min(stay_date) as first_night
	from analytics_curated.fact_room_night
	where kind = 'sold' and state in ('on_books', 'in_house', 'stayed')
	group by tenant_id, property_id) h on h.tenant_id = f.tenant_id and h.property_id = f.property_id
left join analytics_curated.rooms_sold_day a on a.tenant_id = f.tenant_id and a.property_id = f.property_id
	and coalesce(a.room_type_id, '') = coalesce(f.room_type_id, '') and a.stay_date = f.stay_date
left join analytics_curated.rooms_sold_day l on l.tenant_id = f.tenant_id and l.property_id = f.property_id
	and coalesce(l.room_type_id, '') = coalesce(f.room_type_id, '') and l.stay_date = f.stay_date - 364
where f.stay_date < (now() at time zone coalesce(p.timezone, 'UTC'))::date;
grant select on analytics_curated.forecast_outcome to analytics_dqd;

-- Accuracy by horizon: mape over the nights that sold, wape and bias over all, coverage of the band
-- from P10 to P90; last_year_* say the same of last year's rooms over the nights that have any, and
-- compared_* of the forecast over the same nights.
create view tenant_views.forecast_accuracy with (security_barrier) as
select tenant_id, property_id, room_type_id, model, horizon_days, count(*) as points, sum(rooms_sold) as rooms_sold,
	round(avg(abs(rooms_p50 - rooms_sold) / nullif(rooms_sold, 0)), 6) as mape,
	round(sum(abs(rooms_p50 - rooms_sold)) / nullif(sum(rooms_sold), 0), 6) as wape,
	round(sum(rooms_p50 - rooms_sold) / nullif(sum(rooms_sold), 0), 6) as bias,
	round(avg((rooms_sold between rooms_p10 and rooms_p90)::integer), 6) as coverage,
	count(rooms_last_year) as compared,
	round(avg(abs(rooms_last_year - rooms_sold)::numeric / nullif(rooms_sold, 0)), 6) as last_year_mape,
	round(sum(abs(rooms_last_year - rooms_sold))
		/ nullif(sum(rooms_sold) filter (where rooms_last_year is not null), 0), 6) as last_year_wape,
	round(sum(rooms_last_year - rooms_sold)
		/ nullif(sum(rooms_sold) filter (where rooms_last_year is not null), 0), 6) as last_year_bias,
	round(sum(abs(rooms_p50 - rooms_sold)) filter (where rooms_last_year is not null)
		/ nullif(sum(rooms_sold) filter (where rooms_last_year is not null), 0), 6) as compared_wape
from analytics_curated.forecast_outcome
where tenant_id = session_user::text
	and ((select tenant_views.scope() = '{*}') or property_id = any ((select tenant_views.scope())::text[]))
group by tenant_id, property_id, room_type_id, model, horizon_days;

grant select on tenant_views.dim_fx, tenant_views.fact_housekeeping_task, tenant_views.fact_lock_action,
	tenant_views.fact_ai_suggestion, tenant_views.fact_demand_forecast, tenant_views.fact_audit_event,
	tenant_views.fact_funnel, tenant_views.fact_demand_forecast_latest, tenant_views.forecast_accuracy
	to analytics_tenants;

-- ---- what has landed already

delete from analytics_run.delta
where consumer = 'none' and analytics_run.consumer_of(domain) <> 'none';

insert into analytics_run.delta (batch_id, tenant_id, domain, events, key_lo, key_hi, landed_at)
select e.batch_id, e.tenant_id, e.domain, count(*), min(e.dedupe_key), max(e.dedupe_key), max(e.received_at)
from events_raw.event e
where e.domain in ('housekeeping', 'billing', 'pricing', 'lock', 'ai', 'ai_orchestrator', 'iam', 'audit', 'bff')
group by e.batch_id, e.tenant_id, e.domain;

reset role;
