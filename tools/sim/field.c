/*
 * The fields of templates: envelope, ids, words. Whatever looks random comes from the event's
 * serial, so that leaving out other events changes nothing. What concerns a stay or money is in
 * field_stay.c.
 */
#include "tools/sim/emit.h"

#include "common/base/timestamp.h"

#define DELIVERIES 100               /* of one event that could get ids of their own */
#define RETRY_US   (31 * SIM_SECOND) /* until a delivery is tried again */

static uint64_t chance_of(const struct event *ev, int salt)
{
	return rng_mix(ev->serial * 64 + (uint64_t)salt + ((uint64_t)ev->sim->options.seed << 40));
}

static void put_id(struct strbuf *b, const struct event *ev, enum id_kind kind, uint64_t serial,
		   int64_t at_us)
{
	char id[ULID_LEN + 1];

	world_id(ev->sim, kind, serial, at_us, id);
	strbuf_append(b, id, ULID_LEN);
}

/* ---- envelope */

static void put_event_id(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	uint64_t delivery = ev->subject->service->new_id_per_delivery ? ev->attempt : 0;

	if (ev->other_id)
		delivery = DELIVERIES - 1;
	put_id(b, ev, ID_EVENT, ev->serial * DELIVERIES + delivery, ev->at_us);
}

static void put_subject(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_str(b, ev->subject->name);
}

static void put_digits(char *p, int64_t v, int n)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
}

/* Date and time to the second, without offset. */
static void put_seconds(struct strbuf *b, const struct sim *s, int64_t us)
{
	int64_t second = us % SIM_DAY / SIM_SECOND;
	char text[] = "2025-01-01T00:00:00";

	memcpy(text, world_day(s, (int32_t)(us / SIM_DAY))->text, 10);
	put_digits(text + 11, second / 3600, 2);
	put_digits(text + 14, second / 60 % 60, 2);
	put_digits(text + 17, second % 60, 2);
	strbuf_append(b, text, sizeof(text) - 1);
}

static void put_time(struct strbuf *b, const struct event *ev, int64_t us, enum time_style style)
{
	int64_t offset = style == TIME_LOCAL ? world_offset(ev->prop->place->country, us) : 0;
	char fraction[] = ".000000", zone[] = "+00:00";

	put_seconds(b, ev->sim, us + offset);
	put_digits(fraction + 1, us % SIM_SECOND, 6);
	if (style != TIME_SECONDS)
		strbuf_append(b, fraction, style == TIME_MICROS ? 7 : 4);
	if (offset == 0) {
		strbuf_append_char(b, 'Z');
		return;
	}
	put_digits(zone + 1, offset / SIM_HOUR, 2);
	put_digits(zone + 4, offset / SIM_MINUTE % 60, 2);
	strbuf_append(b, zone, sizeof(zone) - 1);
}

static void put_occurred(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	put_time(b, ev, ev->at_us, ev->subject->shape->time);
}

static void put_published(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	int64_t relay_us = (int64_t)(chance_of(ev, 1) % 900) * 1000;

	put_time(b, ev, ev->at_us + relay_us + ev->attempt * RETRY_US, TIME_MILLIS);
}

/* arg: microseconds after the event */
static void put_instant(struct strbuf *b, const struct event *ev, int arg)
{
	put_time(b, ev, ev->at_us + arg, TIME_MILLIS);
}

static void put_epoch_ms(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_i64(b, ev->at_us / 1000);
}

static void put_tenant(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append(b, ev->tenant->id, ULID_LEN);
}

static void put_tenant_or_null(struct strbuf *b, const struct event *ev, int arg)
{
	if (ev->subject->service->no_tenant) {
		strbuf_append_str(b, "null");
		return;
	}
	strbuf_append_str(b, "\"tnt_");
	put_tenant(b, ev, arg);
	strbuf_append_char(b, '"');
}

static void put_service(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_str(b, ev->subject->service->name);
}

static void put_version(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_str(b, ev->subject->service->version);
}

static void put_aggregate(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	shape_put_aggregate(b, ev);
}

static void put_aggregate_type(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_str(b, ev->subject->aggregate_type);
}

static void put_aggregate_version(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_i64(b, ev->room != NULL ? ev->room->version + 1 : ev->prop->version + 1);
}

static void put_retention(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_str(b, ev->subject->retention);
}

static void put_payload(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	shape_put_payload(b, ev);
}

/* arg: which spelling of the region */
static void put_residency(struct strbuf *b, const struct event *ev, int arg)
{
	strbuf_append_str(b, ev->tenant->country->residency[arg]);
}

static void put_hex(struct strbuf *b, const struct event *ev, int digits)
{
	for (int i = 0; i < digits; i += 16) {
		uint64_t v = chance_of(ev, 2 + i);
		char text[16];

		for (int j = 0; j < 16; j++, v >>= 4)
			text[j] = "0123456789abcdef"[v & 15];
		strbuf_append(b, text, 16);
	}
}

static void put_traceparent(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_str(b, "00-");
	put_hex(b, ev, 32);
	strbuf_append_char(b, '-');
	put_hex(b, ev, 16);
	strbuf_append_str(b, "-01");
}

/* ---- ids; where the prefix is fixed it stands in the template */

static void put_prop(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append(b, ev->prop->id, ULID_LEN);
}

static void put_room(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	ASSERT(ev->room != NULL);
	strbuf_append(b, ev->room->id, ULID_LEN);
}

static void put_room_a(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append(b, ev->sim->rooms[ev->a].id, ULID_LEN);
}

static unsigned room_type(const struct event *ev)
{
	if (ev->room != NULL)
		return ev->room->type;
	return ev->rsv != NULL ? ev->rsv->items[0].type : ev->a;
}

static void put_room_type(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append(b, ev->prop->types[room_type(ev)].id, ULID_LEN);
}

static void put_rsv(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	ASSERT(ev->rsv != NULL);
	strbuf_append(b, ev->rsv->id, ULID_LEN);
}

/* arg: kind of the id that every reservation has one of */
static void put_of_rsv(struct strbuf *b, const struct event *ev, int arg)
{
	ASSERT(ev->rsv != NULL);
	put_id(b, ev, (enum id_kind)arg, ev->rsv->serial, ev->rsv->created_us);
}

static void put_guest(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	put_id(b, ev, ID_GUEST, ev->rsv->guest, ev->sim->from_us);
}

/* arg: kind; of the reservation's session or of the one that the event names */
static void put_of_session(struct strbuf *b, const struct event *ev, int arg)
{
	if (ev->rsv != NULL)
		put_id(b, ev, (enum id_kind)arg, ev->rsv->session, ev->rsv->created_us);
	else
		put_id(b, ev, (enum id_kind)arg, ev->a, ev->b);
}

static void put_rsv_or_correlation(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	if (ev->rsv != NULL) {
		strbuf_append_str(b, "rsv_");
		strbuf_append(b, ev->rsv->id, ULID_LEN);
	} else {
		strbuf_append_str(b, "req_");
		put_id(b, ev, ID_OWN, ev->serial * 2 + 1, ev->at_us);
	}
}

static void put_own(struct strbuf *b, const struct event *ev, int arg)
{
	put_id(b, ev, ID_OWN, ev->serial * 2 + (uint64_t)arg, ev->at_us);
}

static void put_chain(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	put_id(b, ev, ID_CHAIN, ev->a, ev->b);
}

/* arg: the event names the person in `a`, else anyone of the hotel */
static void put_staff(struct strbuf *b, const struct event *ev, int arg)
{
	uint64_t who = arg != 0 ? ev->a : chance_of(ev, 3) % SIM_STAFF;

	put_id(b, ev, ID_STAFF, (uint64_t)ev->prop->index * SIM_STAFF + who, ev->sim->from_us);
}

static void put_user(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	put_id(b, ev, ID_USER, ev->prop->index, ev->sim->from_us);
}

/* ---- attributes of the hotel */

static void put_tenant_name(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_json(b, slice_of(ev->tenant->name));
}

static void put_prop_name(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	const struct place *place = ev->prop->place;

	strbuf_append_str(b, "{\"default\":");
	strbuf_append_json(b, slice_of(ev->prop->name));
	strbuf_append_str(b, ",\"values\":{\"");
	strbuf_append(b, place->country->locale, 2);
	strbuf_append_str(b, "\":");
	strbuf_append_json(b, slice_of(place->local_name));
	strbuf_append_str(b, "}}");
}

static void put_room_type_name(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_str(b, "{\"default\":");
	strbuf_append_json(b, slice_of(catalog_room_types[room_type(ev)].name));
	strbuf_append_str(b, ",\"values\":{}}");
}

static void put_beds(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_i64(b, catalog_room_types[room_type(ev)].beds);
}

static void put_room_number(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_i64(b, ev->room->number);
}

enum { ATTR_CITY, ATTR_COUNTRY, ATTR_TIMEZONE, ATTR_CURRENCY, ATTR_LOCALE, ATTR_WEEKEND };

static void put_attribute(struct strbuf *b, const struct event *ev, int arg)
{
	const struct place *place = ev->prop->place;
	const char *const values[] = {
		[ATTR_CITY] = place->city,
		[ATTR_COUNTRY] = place->country->code,
		[ATTR_TIMEZONE] = place->country->timezone,
		[ATTR_CURRENCY] = place->currency->code,
		[ATTR_LOCALE] = place->country->locale,
		[ATTR_WEEKEND] = place->country->weekend,
	};

	strbuf_append_str(b, values[arg]);
}

static void put_plan(struct strbuf *b, const struct event *ev, int arg)
{
	static const char *const codes[CATALOG_RATE_PLANS] = {"BAR", "NRF", "CORP"};

	if (arg != 0)
		strbuf_append_str(b, codes[ev->a]);
	else
		strbuf_append(b, ev->prop->rate_plans[ev->a], ULID_LEN);
}

static void put_local_day(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append(b, world_day(ev->sim, world_local_day(ev->prop, ev->at_us))->text, 10);
}

static void put_day_a(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	char text[TIMESTAMP_TEXT_MAX];

	timestamp_format_date((int32_t)ev->a, text);
	strbuf_append_str(b, text);
}

static void put_b(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_i64(b, ev->b);
}

/* ---- words and small numbers drawn by the event */

enum choice {
	CHOICE_CANCEL_REASON,
	CHOICE_CANCELLED_BY,
	CHOICE_MOVE,
	CHOICE_FAILURE,
	CHOICE_EXTRA,
	CHOICE_PRIORITY,
	CHOICE_LOCK_VENDOR,
	CHOICE_KEY_KIND,
	CHOICE_KEY_FAILURE,
	CHOICE_SUSPEND,
	CHOICE_DENY,
	CHOICE_DEPARTMENT,
	CHOICE_NOTIFY,
	CHOICE_COUNT
};

const char *const field_decisions[FIELD_WORDS] = {"accepted", "edited", "rejected", "expired"};
const char *const field_inspections[FIELD_WORDS] = {"passed", "passed", "passed", "failed"};

static const char *const choices[CHOICE_COUNT][FIELD_WORDS] = {
	[CHOICE_CANCEL_REASON] = {"guest_request", "travel_ban", "duplicate", "payment_failed"},
	[CHOICE_CANCELLED_BY] = {"guest", "guest", "staff", "channel"},
	[CHOICE_MOVE] = {"noise", "maintenance", "guest_request", "upgrade"},
	[CHOICE_FAILURE] = {"card_declined", "insufficient_funds", "timeout", "expired_card"},
	[CHOICE_EXTRA] = {"mini_bar", "restaurant", "laundry", "service"},
	[CHOICE_PRIORITY] = {"normal", "normal", "high", "urgent"},
	[CHOICE_LOCK_VENDOR] = {"ttlock", "salto", "assa-abloy", "generic-wiegand"},
	[CHOICE_KEY_KIND] = {"mobile_app", "pin_code", "rfid_card", "rfid_card"},
	[CHOICE_KEY_FAILURE] = {"vendor_unreachable", "vendor_refused", "no_capable_device",
				"kind_unsupported"},
	[CHOICE_SUSPEND] = {"overdue_payment", "fraud_review", "manual", "manual"},
	[CHOICE_DENY] = {"wrong_room", "expired", "low_battery", "unknown_key"},
	[CHOICE_DEPARTMENT] = {"front_office", "housekeeping", "housekeeping", "maintenance"},
	[CHOICE_NOTIFY] = {"sms", "email", "whatsapp", "email"},
};

unsigned field_word(const struct event *ev)
{
	return (unsigned)(chance_of(ev, 4) % FIELD_WORDS);
}

static void put_choice(struct strbuf *b, const struct event *ev, int arg)
{
	strbuf_append_str(b, choices[arg][field_word(ev)]);
}

static void put_decision(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_str(b, field_decisions[field_word(ev)]);
}

static void put_inspection(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	strbuf_append_str(b, field_inspections[field_word(ev)]);
}

/* The same for all events of a chain or session. */
static void put_chain_choice(struct strbuf *b, const struct event *ev, int arg)
{
	static const char *const words[][4] = {
		{"google_hotels", "trivago", "kayak", "melmastoon_meta"},
		{"pricing.suggest", "upsell.recommend", "housekeeping.route_optimize",
		 "message.draft"},
	};
	uint64_t chain = ev->rsv != NULL ? ev->rsv->session : ev->a;

	strbuf_append_str(b, words[arg][rng_mix(chain) % 4]);
}

static void put_number(struct strbuf *b, const struct event *ev, int arg)
{
	strbuf_append_i64(b, 1 + (int64_t)(chance_of(ev, 5) % (uint64_t)arg));
}

const struct field field_table[] = {
	{"event", put_event_id, 0},
	{"subject", put_subject, 0},
	{"time", put_occurred, 0},
	{"published", put_published, 0},
	{"at", put_instant, 0},
	{"in_10_minutes", put_instant, 600000000},
	{"epoch_ms", put_epoch_ms, 0},
	{"tenant", put_tenant, 0},
	{"tenant_or_null", put_tenant_or_null, 0},
	{"service", put_service, 0},
	{"version", put_version, 0},
	{"aggregate", put_aggregate, 0},
	{"aggregate_type", put_aggregate_type, 0},
	{"aggregate_version", put_aggregate_version, 0},
	{"retention", put_retention, 0},
	{"payload", put_payload, 0},
	{"residency", put_residency, 0},
	{"residency_tenant", put_residency, 1},
	{"traceparent", put_traceparent, 0},
	{"trace", put_hex, 32},
	{"span", put_hex, 16},
	{"hex", put_hex, 64},
	{"correlation", put_own, 1},
	{"own", put_own, 0},
	{"chain", put_chain, 0},
	{"rsv_or_correlation", put_rsv_or_correlation, 0},
	{"prop", put_prop, 0},
	{"room", put_room, 0},
	{"room_a", put_room_a, 0},
	{"rmt", put_room_type, 0},
	{"rsv", put_rsv, 0},
	{"guest", put_guest, 0},
	{"quote", put_of_rsv, ID_QUOTE},
	{"payment", put_of_rsv, ID_PAYMENT},
	{"folio", put_of_rsv, ID_FOLIO},
	{"chain_rsv", put_of_rsv, ID_RSV_CHAIN},
	{"session", put_of_session, ID_SESSION},
	{"handoff", put_of_session, ID_HANDOFF},
	{"staff", put_staff, 0},
	{"staff_a", put_staff, 1},
	{"user", put_user, 0},
	{"tenant_name", put_tenant_name, 0},
	{"prop_name", put_prop_name, 0},
	{"rmt_name", put_room_type_name, 0},
	{"beds", put_beds, 0},
	{"room_number", put_room_number, 0},
	{"city", put_attribute, ATTR_CITY},
	{"country", put_attribute, ATTR_COUNTRY},
	{"timezone", put_attribute, ATTR_TIMEZONE},
	{"currency", put_attribute, ATTR_CURRENCY},
	{"locale", put_attribute, ATTR_LOCALE},
	{"weekend", put_attribute, ATTR_WEEKEND},
	{"plan_a", put_plan, 0},
	{"plan_code", put_plan, 1},
	{"local_day", put_local_day, 0},
	{"day_a", put_day_a, 0},
	{"b", put_b, 0},
	{"cancel_reason", put_choice, CHOICE_CANCEL_REASON},
	{"cancelled_by", put_choice, CHOICE_CANCELLED_BY},
	{"move_reason", put_choice, CHOICE_MOVE},
	{"failure", put_choice, CHOICE_FAILURE},
	{"extra", put_choice, CHOICE_EXTRA},
	{"priority", put_choice, CHOICE_PRIORITY},
	{"inspection", put_inspection, 0},
	{"lock_vendor", put_choice, CHOICE_LOCK_VENDOR},
	{"key_kind", put_choice, CHOICE_KEY_KIND},
	{"key_failure", put_choice, CHOICE_KEY_FAILURE},
	{"suspend_reason", put_choice, CHOICE_SUSPEND},
	{"deny_reason", put_choice, CHOICE_DENY},
	{"department", put_choice, CHOICE_DEPARTMENT},
	{"notify_channel", put_choice, CHOICE_NOTIFY},
	{"decision", put_decision, 0},
	{"meta_source", put_chain_choice, 0},
	{"capability", put_chain_choice, 1},
	{"rank", put_number, 20},
	{"results", put_number, 400},
	{"battery", put_number, 20},
};
const size_t field_count = ARRAY_SIZE(field_table);
