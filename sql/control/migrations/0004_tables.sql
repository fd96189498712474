-- The projections, metrics and checks of the rest of the curated tables (warehouse migration 0008).
set local role analytics_owner;

insert into analytics.projections
	(key, version, consumer, table_name, subjects, depends_on, freshness_class, freshness_slo_seconds, status)
values
	('fact_housekeeping_task', 1, 'housekeeping', 'fact_housekeeping_task',
		'{melmastoon.housekeeping.task.*}', '{dim_property}', 'hot', 300, 'active'),
	('dim_fx', 1, 'fx', 'dim_fx',
		'{melmastoon.billing.folio.*,melmastoon.pricing.fx_snapshot.*}', '{dim_property}', 'cold', 900, 'active'),
	('fact_lock_action', 1, 'lock', 'fact_lock_action',
		'{melmastoon.lock.*}', '{dim_property}', 'cold', 900, 'active'),
	('fact_ai_suggestion', 1, 'ai', 'fact_ai_suggestion',
		'{melmastoon.ai_orchestrator.inference.*,melmastoon.ai_orchestrator.hitl.*}', '{dim_property}', 'cold', 900, 'active'),
	('fact_demand_forecast', 1, 'ai', 'fact_demand_forecast',
		'{melmastoon.ai.forecast.*,melmastoon.ai_orchestrator.forecast.*}', '{dim_property,dim_room_type,dim_room}', 'cold', 900,
		'active'),
	('fact_audit_event', 1, 'audit', 'fact_audit_event',
		'{melmastoon.iam.*,melmastoon.audit.*}', '{}', 'cold', 900, 'active'),
	('fact_funnel', 1, 'funnel', 'fact_funnel',
		'{melmastoon.bff.consumer.*,melmastoon.bff.tenant.*}', '{dim_property,fact_reservation}', 'cold', 900, 'active');

insert into analytics.metric_definitions (key, version, display, unit_kind, definition, definition_hash)
select m.key, 1, jsonb_build_object('default', m.display), m.unit_kind, m.definition,
       encode(sha256(convert_to(concat_ws('|', m.key, 1, m.unit_kind, m.definition::text), 'UTF8')), 'hex')
  from (
    select v.key, v.unit_kind, v.display, v.definition::jsonb as definition
      from (values
    ('time_to_ready_minutes', 'ratio', 'Minutes from check-out to a ready room', '{"numerator": "ready_minutes", "denominator": "rooms_readied", "dimensions": ["property_id"], "freshnessSloSeconds": 300}'),
    ('lock_success_rate', 'percent', 'Lock success rate', '{"numerator": "lock_succeeded", "denominator": "lock_tried", "dimensions": ["property_id"], "freshnessSloSeconds": 900}'),
    ('ai_suggestion_acceptance_rate', 'percent', 'AI suggestions accepted', '{"numerator": "suggestions_accepted", "denominator": "suggestions_shown", "dimensions": ["capability", "property_id"], "freshnessSloSeconds": 900}'),
    ('meta_to_book_conversion', 'percent', 'Conversion of meta search', '{"numerator": "converted_handoffs", "denominator": "qualified_clicks", "dimensions": ["property_id", "meta_source"], "freshnessSloSeconds": 900}'),
    ('meta_to_book_conversion_net', 'percent', 'Conversion of meta search less cancellations', '{"numerator": "converted_handoffs_net", "denominator": "qualified_clicks", "dimensions": ["property_id", "meta_source"], "freshnessSloSeconds": 900}')
           ) as v (key, unit_kind, display, definition)) m;

-- `limit` as in 0002; quarantine_rate: the tolerated share of the forecast points that were set aside.
insert into analytics.dq_checks (check_id, table_name, kind, column_name, severity, params)
select 'dqc_01' || upper(left(md5(concat_ws('/', c.table_name, c.kind, c.column_name)), 24)),
       c.table_name, c.kind, c.column_name, c.severity, jsonb_build_object('limit', c."limit")
  from (values
    ('fact_housekeeping_task', 'row_count_drift', null, 'critical', 0),
    ('fact_housekeeping_task', 'freshness', null, 'warning', 300),
    ('fact_housekeeping_task', 'null_rate', 'property_id', 'warning', 0),
    ('fact_housekeeping_task', 'null_rate', 'room_id', 'warning', 0),
    ('dim_fx', 'row_count_drift', null, 'critical', 0),
    ('dim_fx', 'freshness', null, 'warning', 900),
    ('fact_lock_action', 'row_count_drift', null, 'critical', 0),
    ('fact_lock_action', 'freshness', null, 'warning', 900),
    ('fact_lock_action', 'null_rate', 'property_id', 'warning', 0),
    ('fact_ai_suggestion', 'row_count_drift', null, 'critical', 0),
    ('fact_ai_suggestion', 'freshness', null, 'warning', 900),
    ('fact_ai_suggestion', 'null_rate', 'capability', 'warning', 0),
    ('fact_demand_forecast', 'row_count_drift', null, 'critical', 0),
    ('fact_demand_forecast', 'freshness', null, 'warning', 900),
    ('fact_demand_forecast', 'null_rate', 'model', 'warning', 0),
    ('fact_demand_forecast', 'quarantine_rate', null, 'warning', 0.01),
    ('fact_audit_event', 'row_count_drift', null, 'critical', 0),
    ('fact_audit_event', 'freshness', null, 'warning', 900),
    ('fact_funnel', 'freshness', null, 'warning', 900),
    ('fact_funnel', 'null_rate', 'property_id', 'warning', 0)
       ) as c (table_name, kind, column_name, severity, "limit");

reset role;
