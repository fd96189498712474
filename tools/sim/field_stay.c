/* The fields of templates that concern a stay, money or a forecast; see field.c. */
#include "tools/sim/emit.h"

/* A conflicting copy of an event says another amount. */
static void put_money(struct strbuf *b, const struct event *ev, int64_t cents)
{
	int64_t micro = (ev->conflict ? cents + cents / 10 + 100 : cents) * SIM_CENT_MICRO;
	/* some producers write integers where others write strings; both are legal below 2^53 */
	bool number = ev->serial % 16 == 0 && micro < (INT64_C(1) << 53);

	strbuf_append_str(b, number ? "{\"amountMicro\":" : "{\"amountMicro\":\"");
	strbuf_append_i64(b, micro);
	strbuf_append_str(b, number ? ",\"currency\":\"" : "\",\"currency\":\"");
	strbuf_append(b, ev->prop->place->currency->code, 3);
	strbuf_append_str(b, "\"}");
}

static void put_day(struct strbuf *b, const struct event *ev, int32_t day)
{
	strbuf_append(b, world_day(ev->sim, day)->text, 10);
}

static void put_span(struct strbuf *b, const struct event *ev, int32_t start, int32_t end)
{
	strbuf_append_str(b, "{\"start\":\"");
	put_day(b, ev, start);
	strbuf_append_str(b, "\",\"end\":\"");
	put_day(b, ev, end);
	strbuf_append_str(b, "\"}");
}

/* A day-use item has the one rate of its date. */
static int32_t rates_end(const struct item *it)
{
	return it->end > it->start ? it->end : it->start + 1;
}

static void put_item_rates(struct strbuf *b, const struct event *ev, const struct item *it)
{
	for (int32_t day = it->start; day < rates_end(it); day++) {
		strbuf_append_str(b, day == it->start ? "[{\"date\":\"" : ",{\"date\":\"");
		put_day(b, ev, day);
		strbuf_append_str(b, "\",\"amount\":");
		put_money(b, ev, world_rate(ev->sim, ev->prop, it, day));
		strbuf_append_char(b, '}');
	}
	strbuf_append_char(b, ']');
}

static const char *kind_of(const struct item *it)
{
	static const char *const kinds[SEGMENT_COUNT] = {
		[SEGMENT_DAY_USE] = ",\"kind\":\"day_use\"",
		[SEGMENT_COMPLIMENTARY] = ",\"kind\":\"complimentary\"",
		[SEGMENT_HOUSE] = ",\"kind\":\"house_use\"",
		[SEGMENT_BUSINESS] = ",\"kind\":\"sold\"",
	};

	return kinds[it->segment] != NULL ? kinds[it->segment] : ""; /* sold is the default */
}

static void put_items(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	for (unsigned i = 0; i < ev->rsv->nitems; i++) {
		const struct item *it = &ev->rsv->items[i];
		char id[ULID_LEN + 1];

		world_id(ev->sim, ID_ITEM, it->serial, ev->rsv->created_us, id);
		strbuf_append_str(b, i == 0 ? "[{\"itemId\":\"rit_" : ",{\"itemId\":\"rit_");
		strbuf_append(b, id, ULID_LEN);
		strbuf_append_str(b, "\",\"roomTypeId\":\"rmt_");
		strbuf_append(b, ev->prop->types[it->type].id, ULID_LEN);
		strbuf_append_str(b, "\",\"stay\":");
		put_span(b, ev, it->start, it->end);
		strbuf_append_str(b, ",\"adults\":");
		strbuf_append_i64(b, it->adults);
		strbuf_append_str(b, ",\"children\":");
		strbuf_append_i64(b, it->children);
		strbuf_append_str(b, ",\"nightlyRates\":");
		put_item_rates(b, ev, it);
		strbuf_append_str(b, kind_of(it));
		strbuf_append_char(b, '}');
	}
	strbuf_append_char(b, ']');
}

static int64_t total_cents(const struct event *ev)
{
	int64_t total = 0;

	for (unsigned i = 0; i < ev->rsv->nitems; i++)
		for (int32_t day = ev->rsv->items[i].start; day < rates_end(&ev->rsv->items[i]);
		     day++)
			total += world_rate(ev->sim, ev->prop, &ev->rsv->items[i], day);
	return total;
}

static void put_total(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	put_money(b, ev, total_cents(ev));
}

static void put_amount(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	put_money(b, ev, ev->b);
}

static void put_penalty_opt(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	if (ev->b == 0)
		return;
	strbuf_append_str(b, "\"penalty\":");
	put_money(b, ev, ev->b);
	strbuf_append_char(b, ',');
}

static void put_stay(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	put_span(b, ev, ev->rsv->arrival, ev->rsv->departure);
}

static void put_rates(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	put_item_rates(b, ev, &ev->rsv->items[0]);
}

static void put_departure(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	put_day(b, ev, ev->rsv->departure);
}

enum { RSV_CODE, RSV_CHANNEL, RSV_SEGMENT, RSV_RATE_PLAN, RSV_METHOD, RSV_VENDOR };

static void put_rsv_word(struct strbuf *b, const struct event *ev, int arg)
{
	const struct rsv *r = ev->rsv;
	char code[7] = "";
	const char *const words[] = {
		[RSV_CODE] = code,
		[RSV_CHANNEL] = catalog_channels[r->channel].name,
		[RSV_SEGMENT] = catalog_segments[r->segment].name,
		[RSV_RATE_PLAN] = ev->prop->rate_plans[r->rate_plan],
		[RSV_METHOD] = catalog_methods[r->method].name,
		[RSV_VENDOR] = catalog_methods[r->method].vendor,
	};
	uint32_t v = r->serial * 2654435761U; /* scattered, and no two alike below 2^30 */

	for (int i = 0; i < 6; i++, v >>= 5)
		code[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[v & 31];
	strbuf_append_str(b, words[arg]);
}

/* Members that only some have end with their comma. */
static void put_quote_opt(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	char id[ULID_LEN + 1];

	if (!ev->rsv->quoted)
		return;
	world_id(ev->sim, ID_QUOTE, ev->rsv->serial, ev->rsv->created_us, id);
	strbuf_append_str(b, "\"quoteId\":\"qte_");
	strbuf_append(b, id, ULID_LEN);
	strbuf_append_str(b, "\",");
}

/* arg 0: the member, if there is a session; 1: the bare id */
static void put_session(struct strbuf *b, const struct event *ev, int arg)
{
	char id[ULID_LEN + 1];

	if (arg == 0 && ev->rsv->session == 0)
		return;
	world_id(ev->sim, ID_SESSION, ev->rsv->session, ev->rsv->created_us, id);
	if (arg == 0)
		strbuf_append_str(b, "\"sessionId\":\"");
	strbuf_append_str(b, ev->rsv->channel == CHANNEL_META ? "gms_" : "tnt_session_");
	strbuf_append(b, id, ULID_LEN);
	if (arg == 0)
		strbuf_append_str(b, "\",");
}

static void put_handoff_opt(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	char id[ULID_LEN + 1];

	if (ev->rsv->channel != CHANNEL_META)
		return;
	world_id(ev->sim, ID_HANDOFF, ev->rsv->session, ev->rsv->created_us, id);
	strbuf_append_str(b, "\"handoffId\":\"hof_");
	strbuf_append(b, id, ULID_LEN);
	strbuf_append_str(b, "\",");
}

static void put_room_opt(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	if (ev->room == NULL)
		return;
	strbuf_append_str(b, "\"roomId\":\"rmu_");
	strbuf_append(b, ev->room->id, ULID_LEN);
	strbuf_append_str(b, "\",");
}

static void put_rsv_opt(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	if (ev->rsv == NULL)
		return;
	strbuf_append_str(b, "\"reservationId\":\"rsv_");
	strbuf_append(b, ev->rsv->id, ULID_LEN);
	strbuf_append_str(b, "\",");
}

/* arg 0: when it was booked; 1: noon of the departure day */
static void put_rsv_instant(struct strbuf *b, const struct event *ev, int arg)
{
	int64_t us = arg == 0 ? ev->rsv->booked_us
			      : world_local(ev->prop, ev->rsv->departure, 12 * SIM_HOUR);
	char text[] = "T00:00Z";

	put_day(b, ev, (int32_t)(us / SIM_DAY));
	text[1] = (char)('0' + us % SIM_DAY / SIM_HOUR / 10);
	text[2] = (char)('0' + us % SIM_DAY / SIM_HOUR % 10);
	text[4] = (char)('0' + us % SIM_HOUR / SIM_MINUTE / 10);
	text[5] = (char)('0' + us % SIM_HOUR / SIM_MINUTE % 10);
	strbuf_append(b, text, 6);
	strbuf_append_str(b, ":00Z");
}

/* Units of the hotel's currency for one of each other, with a drift of a percent around. */
static void put_fx(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	const struct currency *base = ev->prop->place->currency;
	int64_t day = ev->at_us / SIM_DAY;
	bool first = true;

	strbuf_append_str(b, "{\"baseCurrency\":\"");
	strbuf_append_str(b, base->code);
	strbuf_append_str(b, "\",\"rates\":{");
	for (size_t i = 0; i < catalog_currency_count; i++) {
		const struct currency *c = &catalog_currencies[i];
		int64_t drift = 990 + (int64_t)(rng_mix((uint64_t)day * 8 + i) % 21);

		if (c == base || strcmp(c->code, "IRR") == 0)
			continue;
		strbuf_append_str(b, first ? "\"" : ",\"");
		strbuf_append_str(b, c->code);
		strbuf_append_str(b, "\":\"");
		/* drift is per mille: base/c * 1e6 * drift/1000 */
		strbuf_append_i64(b, base->per_usd_micro * 1000 / c->per_usd_micro * drift);
		strbuf_append_char(b, '"');
		first = false;
	}
	strbuf_append_str(b, "},\"takenAt\":\"");
	put_day(b, ev, (int32_t)day);
	strbuf_append_str(b, "T00:00:00Z\",\"source\":\"pricing-service:daily\"}");
}

static void put_points(struct strbuf *b, const struct event *ev, int arg UNUSED)
{
	int32_t from = world_local_day(ev->prop, ev->at_us) + 1;
	int64_t rooms = ev->room != NULL ? ev->prop->types[ev->room->type].nrooms
					 : ev->prop->nrooms;
	const struct country *c = ev->prop->place->country;

	for (int32_t day = from; day < from + 30; day++) {
		const struct day *d = world_day(ev->sim, day);
		int64_t pct = 60 * c->season_pct[d->month] * c->weekday_pct[d->weekday] / 10000;
		int64_t p50 = rooms * (pct > 95 ? 95 : pct) / 100;

		strbuf_append_str(b, day == from ? "[{\"stayDate\":\"" : ",{\"stayDate\":\"");
		strbuf_append(b, d->text, 10);
		strbuf_append_str(b, "\",\"roomsP10\":");
		strbuf_append_i64(b, p50 * 8 / 10);
		strbuf_append_str(b, ",\"roomsP50\":");
		strbuf_append_i64(b, p50);
		strbuf_append_str(b, ",\"roomsP90\":");
		strbuf_append_i64(b, p50 + (rooms - p50) / 2);
		strbuf_append_str(b, ",\"occupancyPct\":0.");
		strbuf_append_char(b, (char)('0' + p50 * 100 / rooms / 10));
		strbuf_append_char(b, (char)('0' + p50 * 100 / rooms % 10));
		strbuf_append_char(b, '}');
	}
	strbuf_append_char(b, ']');
}

const struct field field_stay_table[] = {
	{"items", put_items, 0},
	{"total", put_total, 0},
	{"amount", put_amount, 0},
	{"penalty_opt", put_penalty_opt, 0},
	{"stay", put_stay, 0},
	{"rates", put_rates, 0},
	{"departure", put_departure, 0},
	{"code", put_rsv_word, RSV_CODE},
	{"channel", put_rsv_word, RSV_CHANNEL},
	{"segment", put_rsv_word, RSV_SEGMENT},
	{"rate_plan", put_rsv_word, RSV_RATE_PLAN},
	{"method", put_rsv_word, RSV_METHOD},
	{"vendor", put_rsv_word, RSV_VENDOR},
	{"quote_opt", put_quote_opt, 0},
	{"session_opt", put_session, 0},
	{"session_any", put_session, 1},
	{"handoff_opt", put_handoff_opt, 0},
	{"room_opt", put_room_opt, 0},
	{"rsv_opt", put_rsv_opt, 0},
	{"booked_at", put_rsv_instant, 0},
	{"until", put_rsv_instant, 1},
	{"fx", put_fx, 0},
	{"points", put_points, 0},
};
const size_t field_stay_count = ARRAY_SIZE(field_stay_table);
