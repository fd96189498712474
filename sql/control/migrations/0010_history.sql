-- The history of room nights: its projection, metrics and checks (warehouse migration 0016).
set local role analytics_owner;

insert into analytics.projections
	(key, version, consumer, table_name, subjects, depends_on, freshness_class, freshness_slo_seconds, status)
values
	('fact_room_night_history', 1, 'reservation', 'fact_room_night_history',
		'{melmastoon.reservation.*}', '{}', 'hot', 300, 'active');

insert into analytics.metric_definitions (key, version, display, unit_kind, definition, definition_hash)
select m.key, 1, jsonb_build_object('default', m.en, 'values', jsonb_build_object('en', m.en, 'fa', m.fa, 'ps', m.ps)),
       'count', m.definition,
       encode(sha256(convert_to(concat_ws('|', m.key, 1, 'count', m.definition::text), 'UTF8')), 'hex')
  from (
    select v.key, v.en, v.fa, v.ps,
           jsonb_build_object('numerator', v.key,
               'dimensions', '["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"]'::jsonb,
               'freshnessSloSeconds', 300) as definition
      from (values
    ('on_the_books', 'Rooms on the books', 'اتاق‌های رزروشده', 'بک شوې خونې'),
    ('pickup', 'Pickup less cancellations', 'رزرو تازه منهای لغو', 'نوې بکنې پرته له لغوې'),
    ('pace', 'Pace against last year', 'روند رزرو نسبت به سال گذشته', 'د تېر کال په پرتله د بکولو بهیر')
           ) as v (key, en, fa, ps)) m;

-- row_count_drift of a history: what its changes add up to against the nights that are held
insert into analytics.dq_checks (check_id, table_name, kind, column_name, severity, params)
select 'dqc_01' || upper(left(md5(concat_ws('/', 'fact_room_night_history', c.kind, c.column_name)), 24)),
       'fact_room_night_history', c.kind, c.column_name, c.severity, jsonb_build_object('limit', c."limit")
  from (values
    ('row_count_drift', null, 'critical', 0),
    ('freshness', null, 'warning', 300),
    ('null_rate', 'property_id', 'warning', 0),
    ('null_rate', 'room_type_id', 'warning', 0),
    ('null_rate', 'rate_delta_micro', 'warning', 0)
       ) as c (kind, column_name, severity, "limit");

reset role;
