-- The platform's metrics, version 1: parts and ratios of sums (queryd/metric/parts.c names the parts). A
-- published (key, version) never changes; a change of meaning is a new version.
set local role analytics_owner;

insert into analytics.metric_definitions (key, version, display, unit_kind, definition, definition_hash)
select m.key, 1, jsonb_build_object('default', m.display), m.unit_kind, m.definition,
       encode(sha256(convert_to(concat_ws('|', m.key, 1, m.unit_kind, m.definition::text), 'UTF8')), 'hex')
  from (
    select v.key, v.unit_kind, v.display, v.definition::jsonb as definition
      from (values
    ('rooms_sold', 'count', 'Rooms sold', '{"numerator": "rooms_sold", "dimensions": ["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"], "freshnessSloSeconds": 300}'),
    ('rooms_occupied', 'count', 'Rooms occupied', '{"numerator": "rooms_occupied", "dimensions": ["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"], "freshnessSloSeconds": 300}'),
    ('rooms_available', 'count', 'Rooms available', '{"numerator": "rooms_available", "dimensions": ["property_id", "room_type_id"], "freshnessSloSeconds": 300}'),
    ('room_revenue', 'currency', 'Room revenue', '{"numerator": "room_revenue", "dimensions": ["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"], "freshnessSloSeconds": 300}'),
    ('occupancy_pct', 'percent', 'Occupancy', '{"numerator": "rooms_sold", "denominator": "rooms_available", "dimensions": ["property_id", "room_type_id"], "freshnessSloSeconds": 300}'),
    ('occupancy_total_pct', 'percent', 'Occupancy with complimentary and house use', '{"numerator": "rooms_occupied", "denominator": "rooms_available", "dimensions": ["property_id", "room_type_id"], "freshnessSloSeconds": 300}'),
    ('occupancy_adjusted_pct', 'percent', 'Occupancy of rooms in order', '{"numerator": "rooms_sold", "denominator": "rooms_in_order", "dimensions": ["property_id", "room_type_id"], "freshnessSloSeconds": 300}'),
    ('adr', 'currency', 'Average daily rate', '{"numerator": "room_revenue", "denominator": "rooms_sold", "dimensions": ["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"], "freshnessSloSeconds": 300}'),
    ('revpar', 'currency', 'Revenue per available room', '{"numerator": "room_revenue", "denominator": "rooms_available", "dimensions": ["property_id", "room_type_id"], "freshnessSloSeconds": 300}'),
    ('alos', 'ratio', 'Average length of stay', '{"numerator": "stay_nights", "denominator": "stays", "dimensions": ["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"], "freshnessSloSeconds": 300}'),
    ('cancellation_rate', 'percent', 'Cancellation rate by arrival', '{"numerator": "cancelled", "denominator": "reservations", "dimensions": ["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"], "freshnessSloSeconds": 300}'),
    ('cancellation_rate_booked', 'percent', 'Cancellation rate by booking date', '{"numerator": "booked_cancelled", "denominator": "booked", "dimensions": ["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"], "freshnessSloSeconds": 300}'),
    ('no_show_rate', 'percent', 'No-show rate', '{"numerator": "no_shows", "denominator": "expected_arrivals", "dimensions": ["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"], "freshnessSloSeconds": 300}'),
    ('lead_time_days', 'ratio', 'Lead time', '{"numerator": "lead_time_days", "denominator": "reservations", "dimensions": ["property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"], "freshnessSloSeconds": 300}'),
    ('channel_mix', 'percent', 'Channel mix by nights', '{"numerator": "rooms_sold", "share": true, "dimensions": ["channel", "property_id"], "freshnessSloSeconds": 300}'),
    ('channel_mix_revenue', 'percent', 'Channel mix by revenue', '{"numerator": "room_revenue", "share": true, "dimensions": ["channel", "property_id"], "freshnessSloSeconds": 300}'),
    ('channel_mix_bookings', 'percent', 'Channel mix by bookings', '{"numerator": "reservations", "share": true, "dimensions": ["channel", "property_id"], "freshnessSloSeconds": 300}'),
    ('payment_success_rate', 'percent', 'Payment success rate', '{"numerator": "payments_captured", "denominator": "payments_tried", "dimensions": ["property_id", "method"], "freshnessSloSeconds": 300}')
           ) as v (key, unit_kind, display, definition)) m;

reset role;
