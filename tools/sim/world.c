/*
 * Builds tenants, hotels and rooms, as many as the options ask for, and knows calendar, time zones
 * and prices. The demand of a hotel is tuned here so that its mean occupancy is the one asked for.
 */
#include "tools/sim/sim.h"

#include "common/base/timestamp.h"
#include "common/base/xalloc.h"

/* Measured over a year with the tables of catalog.c. They size the world, nothing else. */
#define EVENTS_PER_SOLD_NIGHT_MILLI   12400
#define EVENTS_PER_HOTEL_DAY          18
#define SOLD_NIGHTS_PER_BOOKING_MILLI 2550
#define ROOMS_DEFAULT                 15
#define ROOMS_MAX_UNASKED             250 /* beyond it the group gets more hotels */
#define AHEAD_DAYS                    20  /* of arrivals, that are booked for after the window */
#define TURNED_AWAY                   11 /* demand that finds no room: occupancy^2 / rooms times it */

/* ---- calendar */

static int32_t last_sunday(int year, int month)
{
	int32_t end = timestamp_days((struct civil_date){year, month, 31});

	return end - timestamp_weekday(end) % 7;
}

int64_t world_offset(const struct country *c, int64_t at_us)
{
	int64_t offset = c->offset_minutes * SIM_MINUTE;
	int year;

	if (!c->eu_summer_time)
		return offset;
	/* last Sunday of March to last Sunday of October, both at 01:00 UTC */
	year = timestamp_civil((int32_t)(at_us / SIM_DAY)).year;
	if (at_us >= last_sunday(year, 3) * SIM_DAY + SIM_HOUR &&
	    at_us < last_sunday(year, 10) * SIM_DAY + SIM_HOUR)
		offset += SIM_HOUR;
	return offset;
}

int64_t world_local(const struct property *p, int32_t day, int64_t of_day_us)
{
	const struct country *c = p->place->country;
	int64_t local = day * SIM_DAY + of_day_us;

	return local - world_offset(c, local - c->offset_minutes * SIM_MINUTE);
}

int32_t world_local_day(const struct property *p, int64_t at_us)
{
	return (int32_t)((at_us + world_offset(p->place->country, at_us)) / SIM_DAY);
}

static void build_calendar(struct sim *s)
{
	const struct options *o = &s->options;

	s->first_day = o->from - SIM_RAMP_DAYS;
	s->last_day = o->to;
	s->from_us = s->first_day * SIM_DAY;
	s->to_us = (o->to + 1) * SIM_DAY;
	s->ndays = o->to - s->first_day + SIM_LEAD_MAX + 2 * SIM_NIGHTS_MAX;
	s->days = xcalloc((size_t)s->ndays, sizeof(*s->days));
	for (int32_t i = 0; i < s->ndays; i++) {
		char text[TIMESTAMP_TEXT_MAX];

		timestamp_format_date(s->first_day + i, text);
		memcpy(s->days[i].text, text, sizeof(s->days[i].text));
		s->days[i].month = (uint8_t)(timestamp_civil(s->first_day + i).month - 1);
		s->days[i].weekday = (uint8_t)(timestamp_weekday(s->first_day + i) - 1);
	}
}

/* ---- ids and prices */

void world_id(const struct sim *s, enum id_kind kind, uint64_t serial, int64_t at_us,
	      char out[ULID_LEN + 1])
{
	uint64_t key = (uint64_t)s->options.seed * ID_KIND_COUNT + kind;
	uint64_t high = rng_mix(rng_mix(key) ^ serial), low = rng_mix(high);
	unsigned char random[10];

	memcpy(random, &high, 8);
	memcpy(random + 8, &low, 2);
	ulid_make(at_us / 1000, random, out);
}

int64_t world_rate(const struct sim *s, const struct property *p, const struct item *it,
		   int32_t day)
{
	const struct country *c = p->place->country;
	const struct currency *money = p->place->currency;
	const struct day *d = world_day(s, day);
	int64_t wobble = 97 +
			 (int64_t)(rng_mix(it->serial * UINT64_C(1000003) + (uint64_t)day) % 7);
	int64_t rate = money->standard_rate * p->place->level_pct / 100;

	if (catalog_segments[it->segment].rate_pct == 0)
		return 0;
	/* rates follow the season at half its strength */
	rate = rate * (100 + c->season_pct[d->month]) / 200;
	rate = rate * c->weekday_pct[d->weekday] / 100;
	rate = rate * catalog_room_types[it->type].rate_pct / 100;
	rate = rate * it->rate_per_mille / 1000;
	rate = rate * wobble / 100;
	return (rate + money->rounding / 2) / money->rounding * money->rounding;
}

/* ---- size */

static int64_t ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

/* Those that have nothing to do with guests. */
static int64_t office_events(const struct options *o, int64_t props)
{
	return props * (o->to - o->from + 1 + SIM_RAMP_DAYS + SIM_WARM_DAYS) * EVENTS_PER_HOTEL_DAY;
}

/* Rooms that the whole world needs for --events or --reservations; 0 when neither is given. */
static int64_t rooms_needed(const struct options *o, int64_t props)
{
	int64_t days = o->to - o->from + 1 + SIM_WARM_DAYS;
	int64_t nights = 0;

	if (o->events != 0)
		nights = (o->events - office_events(o, props)) * 1000 / EVENTS_PER_SOLD_NIGHT_MILLI;
	if (o->reservations != 0)
		nights = o->reservations * SOLD_NIGHTS_PER_BOOKING_MILLI / 1000 * days /
			 (days + AHEAD_DAYS);
	return nights <= 0 ? 0 : ceil_div(nights * OPTIONS_PPM / o->occupancy, days);
}

static void size_world(struct sim *s)
{
	struct options *o = &s->options;
	int64_t needed;

	if (o->properties == 0) {
		o->properties = o->tenants > 4 ? o->tenants : 4;
		/* few events are better spent on few hotels */
		while (o->events != 0 && o->properties > (o->tenants > 1 ? o->tenants : 1) &&
		       2 * office_events(o, o->properties) > o->events)
			o->properties--;
		needed = rooms_needed(o, o->properties);
		if (o->rooms == 0 && needed > o->properties * ROOMS_MAX_UNASKED)
			o->properties = ceil_div(needed, ROOMS_MAX_UNASKED);
		if (o->properties > 20000)
			o->properties = 20000;
	}
	if (o->tenants == 0)
		o->tenants = ceil_div(o->properties, 2);
	if (o->properties < o->tenants)
		o->properties = o->tenants;
	if (o->rooms == 0) {
		needed = rooms_needed(o, o->properties);
		o->rooms = needed == 0 ? ROOMS_DEFAULT : ceil_div(needed, o->properties);
	}
	o->rooms = o->rooms < 4 ? 4 : o->rooms > 20000 ? 20000 : o->rooms;
	s->ntenants = (uint32_t)o->tenants;
	s->nprops = (uint32_t)o->properties;
	s->nrooms = (uint32_t)(o->properties * o->rooms);
}

/* Bookings a day, per mille, that give the occupancy asked for, or the number of reservations. */
static int64_t demand_of(const struct options *o)
{
	int64_t days = o->to - o->from + 1 + SIM_WARM_DAYS + AHEAD_DAYS;
	int64_t demand = o->rooms * o->occupancy / SOLD_NIGHTS_PER_BOOKING_MILLI;

	if (o->reservations != 0) /* a little more than asked for: the count stops it */
		demand = o->reservations * 1030 / (o->properties * days) + 1;
	/* in a small house a full room type or a group turns more guests away */
	return demand + demand * TURNED_AWAY * (o->occupancy / 1000) / 1000 *
				(o->occupancy / 1000) / 1000 / o->rooms;
}

/* ---- who and what */

static void build_type(struct sim *s, struct property *p, unsigned type, uint32_t first, uint32_t n)
{
	struct room_type *t = &p->types[type];
	size_t ndays = (size_t)s->ndays;

	world_id(s, ID_ROOM_TYPE, p->index * CATALOG_ROOM_TYPES + type, s->from_us, t->id);
	t->first_room = first;
	t->nrooms = n;
	/* a wing of some hotels opens later */
	t->nopen = p->index % 3 == 2 && n >= 6 ? n - n / 6 : n;
	t->left = xcalloc(ndays, sizeof(*t->left));
	t->free_rooms = xcalloc(n, sizeof(*t->free_rooms));
	t->created = xcalloc(ndays, sizeof(*t->created));
	t->total = xcalloc(ndays, sizeof(*t->total));
	t->announced = xcalloc(ndays, sizeof(*t->announced));
	for (size_t d = 0; d < ndays; d++)
		t->total[d] = -1;
	for (uint32_t i = 0; i < n; i++) {
		struct room *r = &s->rooms[first + i];

		*r = (struct room){
			.prop = p->index,
			.type = (uint8_t)type,
			.number = (uint16_t)(101 + first - p->first_room + i),
			.open_day = s->first_day,
		};
		world_id(s, ID_ROOM, first + i, s->from_us, r->id);
	}
}

static void build_property(struct sim *s, uint32_t index)
{
	struct property *p = &s->props[index];
	const struct place *place = &catalog_places[index % catalog_place_count];
	uint32_t n = (uint32_t)s->options.rooms, first = index * n, left = n;
	unsigned round = index / (unsigned)catalog_place_count;

	*p = (struct property){
		.index = index,
		.tenant = (uint32_t)((uint64_t)index * s->ntenants / s->nprops),
		.place = place,
		.first_room = first,
		.nrooms = n,
		.demand = demand_of(&s->options),
		.closed = xcalloc((size_t)s->ndays, sizeof(*p->closed)),
	};
	(void)snprintf(p->name, sizeof(p->name), round > 0 ? "%s %u" : "%s", place->name,
		       round + 1);
	world_id(s, ID_PROPERTY, index, s->from_us, p->id);
	for (unsigned t = 0; t < CATALOG_RATE_PLANS; t++)
		world_id(s, ID_RATE_PLAN, index * CATALOG_RATE_PLANS + t, s->from_us,
			 p->rate_plans[t]);
	for (unsigned t = 0; t < CATALOG_ROOM_TYPES; t++) {
		uint32_t share = n * catalog_room_types[t].share / 1000;

		/* at least one of each; what rounding leaves are suites */
		share = share == 0 ? 1 : share;
		if (t == CATALOG_ROOM_TYPES - 1)
			share = left;
		build_type(s, p, t, first, share);
		first += share;
		left -= share;
	}
}

static void build_tenants(struct sim *s)
{
	static const char *const names[] = {"Silk Road Hotels", "Alborz & Tejo Hospitality",
					    "Pamir Lodging", "Persepolis Group", "Atlas Stays"};

	for (uint32_t i = 0; i < s->nprops; i++) {
		struct tenant *t = &s->tenants[s->props[i].tenant];

		if (t->nprops++ == 0)
			t->first_prop = i;
	}
	for (uint32_t i = 0; i < s->ntenants; i++) {
		struct tenant *t = &s->tenants[i];
		unsigned round = i / (unsigned)ARRAY_SIZE(names);

		ASSERT(t->nprops > 0);
		t->index = i;
		t->country = s->props[t->first_prop].place->country;
		world_id(s, ID_TENANT, i, s->from_us, t->id);
		(void)snprintf(t->name, sizeof(t->name), round > 0 ? "%s %u" : "%s",
			       names[i % ARRAY_SIZE(names)], round + 1);
	}
}

void world_build(struct sim *s)
{
	build_calendar(s);
	size_world(s);
	s->tenants = xcalloc(s->ntenants, sizeof(*s->tenants));
	s->props = xcalloc(s->nprops, sizeof(*s->props));
	s->rooms = xcalloc(s->nrooms, sizeof(*s->rooms));
	for (uint32_t i = 0; i < s->nprops; i++)
		build_property(s, i);
	build_tenants(s);
}

static void free_property(struct property *p)
{
	for (unsigned t = 0; t < CATALOG_ROOM_TYPES; t++) {
		free(p->types[t].left);
		free(p->types[t].free_rooms);
		free(p->types[t].created);
		free(p->types[t].total);
		free(p->types[t].announced);
	}
	free(p->closed);
}

void world_free(struct sim *s)
{
	for (uint32_t i = 0; i < s->nprops; i++)
		free_property(&s->props[i]);
	free(s->props);
	free(s->tenants);
	free(s->rooms);
	free(s->days);
}
