/* The life of a reservation before arrival; see book.h. */
#include "tools/sim/book.h"

#include "tools/sim/house.h"
#include "tools/sim/plan.h"
#include "tools/sim/service.h"

enum {
	HOLD_LOST = 60, /* per mille of holds that expire */
	MODIFIED = 130,
	MODIFIED_TWICE = 200,
	DATES_CHANGED = 55,
	REINSTATED = 60,
	REPEAT_GUEST = 150,
	LATE_DAYS = 2, /* cancelling later costs a night */
};

/* ---- demand */

void book_start(struct sim *s, struct property *p)
{
	const struct country *c = p->place->country;
	int32_t from = s->options.from - SIM_WARM_DAYS, to = s->options.to;
	int64_t sum = 0;

	for (int32_t day = from; day <= to; day++) {
		const struct day *d = world_day(s, day);

		sum += (int64_t)c->season_pct[d->month] * c->weekday_pct[d->weekday];
	}
	ASSERT(sum > 0);
	/* the mean over the window, not over the year, is what was asked for */
	p->demand = p->demand * 10000 * (to - from + 1) / sum;
	for (int32_t day = from; day <= s->first_day + SIM_LEAD_MAX; day++)
		book_generate(s, p, day);
}

static int32_t draw_lead(struct sim *s, enum channel channel)
{
	const uint8_t *octiles = catalog_channels[channel].lead;
	unsigned i = rng_below(&s->rng, 8);
	int32_t next = i < 7 ? octiles[i + 1] : octiles[7] + octiles[7] / 8;

	if (next > SIM_LEAD_MAX - 1)
		next = SIM_LEAD_MAX - 1;
	return (int32_t)rng_between(&s->rng, octiles[i], next < octiles[i] ? octiles[i] : next);
}

static void generate_one(struct sim *s, const struct property *p, int32_t arrival)
{
	uint16_t weights[CHANNEL_COUNT];
	int32_t lead, longest = arrival - (s->first_day + 2);
	int64_t hour_from = 7, hour_to = 22;
	struct pending one = run_of(p);
	enum channel channel;

	for (unsigned c = 0; c < CHANNEL_COUNT; c++)
		weights[c] = catalog_channels[c].weight;
	channel = rng_weighted(&s->rng, weights, CHANNEL_COUNT);
	lead = draw_lead(s, channel);
	if (lead > longest) /* the platform was not open yet */
		lead = (int32_t)rng_between(&s->rng, 0, longest);
	if (lead == 0) {
		hour_from = channel == CHANNEL_WALK_IN ? 15 : 8;
		hour_to = channel == CHANNEL_WALK_IN ? 21 : 12;
	}
	one.a = (uint32_t)arrival;
	one.b = channel;
	(void)run_push(s, ACT_SEEK,
		       world_local(p, arrival - lead,
				   rng_between(&s->rng, hour_from * SIM_HOUR, hour_to * SIM_HOUR)),
		       one);
}

void book_generate(struct sim *s, const struct property *p, int32_t day)
{
	const struct country *c = p->place->country;
	const struct day *d = world_day(s, day);
	int64_t mean = p->demand * c->season_pct[d->month] * c->weekday_pct[d->weekday] / 10000;
	int64_t trials = (mean / 1000 + 1) * 4;

	for (int64_t i = 0; i < trials; i++)
		if (rng_below(&s->rng, 1000000) < (uint64_t)(mean * 1000 / trials))
			generate_one(s, p, day);
}

/* ---- what is wanted */

static enum segment draw_segment(struct sim *s, enum channel channel)
{
	uint16_t weights[SEGMENT_COUNT] = {0};

	for (unsigned i = 0; i < SEGMENT_COUNT; i++)
		weights[i] = catalog_segments[i].weight;
	if (channel != CHANNEL_DIRECT && channel != CHANNEL_UNKNOWN)
		weights[SEGMENT_COMPLIMENTARY] = weights[SEGMENT_HOUSE] = 0;
	if (channel == CHANNEL_CORPORATE)
		weights[SEGMENT_LEISURE] = 0;
	if (channel == CHANNEL_WALK_IN)
		weights[SEGMENT_GROUP] = weights[SEGMENT_DAY_USE] = 0;
	return rng_weighted(&s->rng, weights, SEGMENT_COUNT);
}

static void fill_item(struct sim *s, const struct rsv *r, struct item *it, unsigned type)
{
	unsigned beds = catalog_room_types[type].beds;

	*it = (struct item){
		.serial = r->serial * SIM_ITEMS_MAX + (uint32_t)(it - r->items),
		.room = SIM_NONE,
		.start = r->arrival,
		.end = r->departure,
		.type = (uint8_t)type,
		.adults = (uint8_t)(1 + rng_below(&s->rng, beds > 2 ? 3 : beds)),
		.children = (uint8_t)(beds > 2 ? rng_below(&s->rng, 3) : 0),
		.segment = r->segment,
		.rate_per_mille = (uint16_t)(rng_between(&s->rng, 95, 105) *
					     catalog_channels[r->channel].rate_pct *
					     catalog_segments[r->segment].rate_pct / 1000),
	};
}

static void fill_items(struct sim *s, struct rsv *r, unsigned type, unsigned n)
{
	struct item *last = &r->items[n - 1];

	r->nitems = (uint8_t)n;
	for (unsigned i = 0; i < n; i++)
		fill_item(s, r, &r->items[i], type);
	if (r->segment != SEGMENT_GROUP)
		return;
	/* of some groups the last room leaves a day early, or is the free one of the leader */
	if (r->departure - r->arrival > 1 && rng_chance(&s->rng, 200))
		last->end--;
	else if (rng_chance(&s->rng, 200))
		last->segment = SEGMENT_COMPLIMENTARY;
}

static enum method draw_method(struct sim *s, const struct property *p)
{
	return rng_weighted(&s->rng, p->place->country->methods, METHOD_COUNT);
}

/* A room type with n rooms on all nights, the wanted one first; CATALOG_ROOM_TYPES = none. */
static unsigned find_type(struct sim *s, const struct property *p, int32_t from, int32_t to, int n)
{
	uint16_t weights[CATALOG_ROOM_TYPES];
	unsigned wanted;

	for (unsigned t = 0; t < CATALOG_ROOM_TYPES; t++)
		weights[t] = catalog_room_types[t].share;
	wanted = rng_weighted(&s->rng, weights, CATALOG_ROOM_TYPES);
	for (unsigned i = 0; i < CATALOG_ROOM_TYPES; i++) {
		unsigned t = (wanted + i) % CATALOG_ROOM_TYPES;

		if (house_fits(s, p, t, from, to, n))
			return t;
	}
	return CATALOG_ROOM_TYPES;
}

/* A day-use guest keeps the room from being sold for the night: simpler, and never too many. */
static int32_t nights_end(const struct rsv *r)
{
	return r->departure > r->arrival ? r->departure : r->arrival + 1;
}

void book_nights(struct sim *s, const struct rsv *r, int32_t from, int sign)
{
	for (unsigned i = 0; i < r->nitems; i++)
		house_book(s, &s->props[r->prop], r->items[i].type, from, nights_end(r), sign);
}

bool book_is_paid(const struct rsv *r)
{
	return catalog_segments[r->segment].rate_pct != 0;
}

/* ---- from the search to the confirmation */

/* The events of a guest who books online, up to the hold; returns when he decides. */
static int64_t browse(struct sim *s, struct rsv *r, struct pending p, bool found)
{
	int64_t at = p.at_us;

	if (r->channel == CHANNEL_META) {
		run_later(s, SUBJ_SEARCHED, at, p);
		run_later(s, SUBJ_CLICKED, at = sim_after(s, at, 10, 90), p);
		run_later(s, SUBJ_HANDED_OFF, at = sim_after(s, at, 20, 120), p);
		run_later(s, SUBJ_HANDOFF_CONSUMED, at = sim_after(s, at, 1, 4), p);
	}
	if (r->session != 0)
		run_later(s, SUBJ_DRAFT_CREATED, at = sim_after(s, at, 5, 60), p);
	run_later(s, SUBJ_QUOTE_REQUESTED, at = sim_after(s, at, 1, 10), p);
	if (!found)
		return at;
	run_later(s, SUBJ_PRICE_QUOTED, sim_after(s, at, 0, 1), p);
	run_later(s, SUBJ_QUOTE_CREATED, at = sim_after(s, at, 1, 2), p);
	run_later(s, SUBJ_HELD, at = sim_after(s, at, 10, 200), p);
	return at;
}

static void draw_wish(struct sim *s, struct rsv *r, const struct pending *p)
{
	const struct property *prop = &s->props[p->prop];
	const struct channel_info *channel = &catalog_channels[p->b];

	r->channel = (uint8_t)p->b;
	r->segment = (uint8_t)draw_segment(s, r->channel);
	r->arrival = r->departure = (int32_t)p->a;
	if (r->segment != SEGMENT_DAY_USE)
		r->departure += 1 + (int32_t)rng_weighted(&s->rng,
							  catalog_segments[r->segment].nights, 14);
	r->method = (uint8_t)draw_method(s, prop);
	r->rate_plan = r->channel == CHANNEL_CORPORATE        ? 2
		       : rng_chance(&s->rng, channel->prepay) ? 1
							      : 0;
	if (rng_chance(&s->rng, REPEAT_GUEST))
		r->guest = 1 + rng_below(&s->rng, r->serial);
	r->quoted = channel->quoted;
	if (r->channel == CHANNEL_META ||
	    (r->channel == CHANNEL_DIRECT && rng_chance(&s->rng, 600)))
		r->session = ++s->session_serial;
}

void book_seek(struct sim *s, struct pending *p)
{
	struct property *prop = &s->props[p->prop];
	struct rsv *r;
	const struct segment_info *segment;
	unsigned type, n;
	int64_t at;

	if (s->options.reservations != 0 && s->confirmed >= s->options.reservations)
		return;
	r = run_rsv_new(s, p->prop, p->at_us);
	draw_wish(s, r, p);
	segment = &catalog_segments[r->segment];
	n = (unsigned)rng_between(&s->rng, segment->rooms_min, segment->rooms_max);
	type = find_type(s, prop, r->arrival, nights_end(r), (int)n);
	fill_items(s, r, type % CATALOG_ROOM_TYPES, n);
	p->rsv = r->index;
	if (type == CATALOG_ROOM_TYPES) { /* full: turned away */
		if (r->quoted)
			(void)browse(s, r, *p, false);
		run_rsv_release(s, r);
		p->rsv = SIM_NONE;
		return;
	}
	book_nights(s, r, r->arrival, 1);
	if (r->quoted) {
		at = browse(s, r, *p, true);
		r->status = RSV_HELD;
		if (rng_chance(&s->rng, HOLD_LOST))
			(void)run_push(s, ACT_EXPIRE, at + 10 * SIM_MINUTE, *p);
		else
			(void)run_push(s, ACT_CONFIRM, sim_after(s, at, 30, 540), *p);
	} else {
		(void)run_push(s, ACT_CONFIRM, p->at_us, *p);
	}
	run_rsv_release(s, r);
}

bool book_due(struct sim *s, struct pending *p, struct rsv *r)
{
	if (p->at_us / 1000 <= r->last_us / 1000) {
		(void)run_push(s, p->act, r->last_us + 1000, *p);
		return false;
	}
	r->last_us = p->at_us;
	return true;
}

void book_tell(struct sim *s, struct rsv *r, enum subject_id what, const struct pending *p)
{
	ASSERT(!r->counted);
	if (run_emit(s, what, p) && r->ever_confirmed)
		plan_count(s, r);
}

void book_expire(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);

	if (r->status != RSV_HELD || !book_due(s, p, r))
		return;
	book_nights(s, r, r->arrival, -1);
	r->status = RSV_EXPIRED;
	book_tell(s, r, SUBJ_HOLD_EXPIRED, p);
}

/* ---- what will become of a confirmed reservation */

static void set_arrival(struct sim *s, struct rsv *r, struct pending p)
{
	const struct property *prop = &s->props[r->prop];
	int64_t from = 14 * SIM_HOUR, to = 21 * SIM_HOUR + SIM_HOUR / 2, at;

	if (r->segment == SEGMENT_DAY_USE) {
		from = 13 * SIM_HOUR;
		to = 15 * SIM_HOUR;
	}
	at = world_local(prop, r->arrival, rng_between(&s->rng, from, to));
	if (r->channel == CHANNEL_WALK_IN || at < p.at_us + 20 * SIM_MINUTE)
		at = sim_after(s, p.at_us, 300, 1200);
	p.a = ++r->arrivals;
	(void)run_push(s, ACT_ARRIVE, at, p);
}

/* Per mille that cancel: the earlier they booked, the more. */
static unsigned cancel_chance(const struct rsv *r, int32_t lead)
{
	unsigned base = catalog_channels[r->channel].cancel;

	return base * (lead <= 1 ? 20 : lead <= 7 ? 70 : lead <= 30 ? 110 : 135) / 100;
}

static void draw_fate(struct sim *s, struct rsv *r, struct pending p)
{
	const struct property *prop = &s->props[r->prop];
	int64_t from = p.at_us + 10 * SIM_MINUTE;
	int64_t to = world_local(prop, r->arrival, 12 * SIM_HOUR);

	set_arrival(s, r, p);
	if (to - from < 2 * SIM_HOUR)
		return;
	if (rng_chance(&s->rng, MODIFIED)) {
		(void)run_push(s, ACT_MODIFY, rng_between(&s->rng, from, to), p);
		if (rng_chance(&s->rng, MODIFIED_TWICE))
			(void)run_push(s, ACT_MODIFY, rng_between(&s->rng, from, to), p);
	}
	if (rng_chance(&s->rng, DATES_CHANGED) && r->segment != SEGMENT_DAY_USE)
		(void)run_push(s, ACT_CHANGE_DATES, rng_between(&s->rng, from, to), p);
	if (rng_chance(&s->rng, cancel_chance(r, r->arrival - world_local_day(prop, p.at_us))))
		(void)run_push(s, ACT_CANCEL, rng_between(&s->rng, from, to), p);
}

void book_confirm(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);

	if (s->options.reservations != 0 && s->confirmed >= s->options.reservations) {
		book_expire(s, p); /* if it was held at all */
		return;
	}
	if (!book_due(s, p, r))
		return;
	r->status = RSV_CONFIRMED;
	r->ever_confirmed = true;
	r->booked_us = p->at_us;
	s->confirmed++;
	book_tell(s, r, SUBJ_CONFIRMED, p);
	if (r->session != 0)
		run_later(s, SUBJ_DRAFT_CONVERTED, sim_after(s, p->at_us, 1, 3), *p);
	service_confirmed(s, r, *p);
	draw_fate(s, r, *p);
}

/* ---- changes */

/* Another room of the kind joins, if there is one. */
static bool add_room(struct sim *s, struct rsv *r)
{
	struct property *prop = &s->props[r->prop];
	unsigned type = r->items[0].type;

	if (r->nitems == SIM_ITEMS_MAX || !house_fits(s, prop, type, r->arrival, nights_end(r), 1))
		return false;
	house_book(s, prop, type, r->arrival, nights_end(r), 1);
	fill_item(s, r, &r->items[r->nitems], type);
	r->nitems++;
	return true;
}

/* To another room type, at its rate. */
static void change_type(struct sim *s, struct rsv *r)
{
	struct property *prop = &s->props[r->prop];
	unsigned from = r->items[0].type, to = (from + 1) % CATALOG_ROOM_TYPES;

	if (r->nitems > 1 || !house_fits(s, prop, to, r->arrival, nights_end(r), 1))
		return;
	book_nights(s, r, r->arrival, -1);
	r->items[0].type = (uint8_t)to;
	book_nights(s, r, r->arrival, 1);
}

static void change_items(struct sim *s, struct rsv *r)
{
	if (rng_chance(&s->rng, 200) && add_room(s, r))
		return;
	if (rng_chance(&s->rng, 400))
		change_type(s, r);
	for (unsigned i = 0; i < r->nitems; i++)
		r->items[i].rate_per_mille = (uint16_t)(r->items[i].rate_per_mille *
							rng_between(&s->rng, 90, 108) / 100);
}

void book_modify(struct sim *s, struct pending *p)
{
	static const uint8_t other_segment[SEGMENT_COUNT] = {
		[SEGMENT_LEISURE] = SEGMENT_BUSINESS,
		[SEGMENT_BUSINESS] = SEGMENT_NGO,
		[SEGMENT_NGO] = SEGMENT_LEISURE,
	};
	struct rsv *r = run_rsv(s, p->rsv);
	unsigned what = rng_below(&s->rng, 100);

	if (r->status != RSV_CONFIRMED || !book_due(s, p, r))
		return;
	plan_forget(s, r);
	if (what < 35 && r->segment <= SEGMENT_NGO) {
		r->segment = other_segment[r->segment];
		book_tell(s, r, SUBJ_MODIFIED_SEGMENT, p);
	} else if (what < 45) {
		r->channel = r->channel == CHANNEL_UNKNOWN ? CHANNEL_DIRECT : r->channel;
		book_tell(s, r, SUBJ_MODIFIED_CHANNEL, p);
	} else {
		change_items(s, r);
		book_tell(s, r, SUBJ_MODIFIED_ITEMS, p);
	}
}

static void shift_items(struct rsv *r, int32_t start, int32_t end)
{
	for (unsigned i = 0; i < r->nitems; i++) {
		int32_t early = r->departure - r->items[i].end;

		r->items[i].start = start;
		r->items[i].end = end - early > start ? end - early : end;
	}
	r->arrival = start;
	r->departure = end;
}

void book_change_dates(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);
	int32_t today = world_local_day(&s->props[p->prop], p->at_us);
	int32_t old_start = r->arrival, old_end = r->departure, start, end;
	bool fits = true;

	if (r->status != RSV_CONFIRMED || r->arrival <= today || !book_due(s, p, r))
		return;
	start = old_start + (int32_t)rng_between(&s->rng, -3, 6);
	start = start <= today ? today + 1 : start;
	end = start + (int32_t)rng_between(&s->rng, 1, old_end - old_start + 2);
	book_nights(s, r, r->arrival, -1);
	for (unsigned i = 0; i < r->nitems; i++)
		fits = fits &&
		       house_fits(s, &s->props[p->prop], r->items[i].type, start, end, r->nitems);
	if (!fits || (start == old_start && end == old_end) || end - start > SIM_NIGHTS_MAX ||
	    end > s->last_day + SIM_LEAD_MAX) {
		book_nights(s, r, r->arrival, 1);
		return;
	}
	plan_forget(s, r);
	shift_items(r, start, end);
	book_nights(s, r, r->arrival, 1);
	book_tell(s, r, r->nitems == 1 ? SUBJ_DATES_STAY : SUBJ_DATES_ITEMS, p);
	set_arrival(s, r, *p);
}

void book_cancel(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);
	const struct property *prop = &s->props[r->prop];
	int32_t today = world_local_day(prop, p->at_us);
	struct pending said = *p;

	if (r->status != RSV_CONFIRMED || !book_due(s, p, r))
		return;
	plan_forget(s, r);
	book_nights(s, r, r->arrival, -1);
	r->status = RSV_CANCELLED;
	if (r->arrival - today < LATE_DAYS)
		said.b = world_rate(s, prop, &r->items[0], r->arrival);
	else
		said.b = 0;
	book_tell(s, r, SUBJ_CANCELLED, &said);
	service_cancelled(s, r, *p);
	if (r->arrival - today > 3 && rng_chance(&s->rng, REINSTATED))
		(void)run_push(s, ACT_REINSTATE, sim_after(s, p->at_us, 3600, 36 * SIM_HOUR_S), *p);
}

void book_reinstate(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);

	for (unsigned i = 0; i < r->nitems; i++)
		if (!house_fits(s, &s->props[p->prop], r->items[i].type, r->arrival, nights_end(r),
				r->nitems))
			return;
	if (!book_due(s, p, r))
		return;
	plan_forget(s, r);
	book_nights(s, r, r->arrival, 1);
	r->status = RSV_CONFIRMED;
	book_tell(s, r, SUBJ_CONFIRMED, p);
	service_confirmed(s, r, *p);
	set_arrival(s, r, *p);
}
