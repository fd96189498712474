/* Rooms; see upkeep.h. */
#include "tools/sim/upkeep.h"

#include "tools/sim/house.h"
#include "tools/sim/plan.h"
#include "tools/sim/service.h"

enum {
	BREAKS = 6, /* per mille of the rooms, a day */
	ONLY_OUT_OF_SERVICE = 250,
	INVENTORY_SAYS = 90, /* per mille of the hotels, a day */
	COMES_BACK_EARLY = 300,
	LOCK_ALERTS = 2, /* per mille of the rooms, a day */
	LONG_DAYS = 180, /* out of order so long without category: closed */
};

#define OPENING_US (2 * SIM_HOUR)                    /* UTC, on the first day */
#define WING_US    (21 * SIM_HOUR + 15 * SIM_MINUTE) /* UTC: in Asia the next day has begun */
#define OUT_US     (12 * SIM_HOUR + 30 * SIM_MINUTE) /* local; all have left, none has come */
#define BACK_US    (11 * SIM_HOUR)

/* Room type t of the hotel: nights are sold from the day after opening (a wing opens at night). */
static void open_type(struct sim *s, struct property *p, unsigned type)
{
	struct room_type *t = &p->types[type];
	int32_t wing_day = s->options.from + (s->options.to - s->options.from) / 3;
	struct pending one = run_of(p);

	house_book(s, p, type, s->first_day, INT32_MAX, -(int)t->nopen);
	for (uint32_t i = 0; i < t->nrooms; i++) {
		struct room *r = &s->rooms[t->first_room + i];
		int64_t at = s->first_day * SIM_DAY + OPENING_US;

		if (i >= t->nopen)
			at = wing_day * SIM_DAY + WING_US;
		r->open_day = world_local_day(p, at);
		if (i >= t->nopen)
			house_book(s, p, type, r->open_day + 1, INT32_MAX, -1);
		one.room = t->first_room + i;
		(void)run_push(s, ACT_ROOM_OPEN, at + i * SIM_SECOND / 20, one);
	}
}

/* A room of the type will be out of order; its nights are taken now, which room is decided then. */
static void plan_out(struct sim *s, struct property *p, enum subject_id what, unsigned type,
		     int32_t from, int32_t until)
{
	struct pending one = run_of(p);

	if (!house_fits(s, p, type, from, from + 1, 2))
		return;
	house_book(s, p, type, from, until, 1);
	one.what = (uint16_t)what;
	one.a = type;
	one.b = until;
	(void)run_push(s, ACT_ROOM_OUT, world_local(p, from, OUT_US), one);
}

void upkeep_start(struct sim *s, struct property *p)
{
	int32_t from = s->options.from, window = s->options.to - from + 1;
	int32_t until;

	for (unsigned t = 0; t < CATALOG_ROOM_TYPES; t++)
		open_type(s, p, t);
	if (p->nrooms >= 8)
		plan_out(s, p, SUBJ_ROOM_PERMANENT, 0, s->first_day + 1, s->first_day + s->ndays);
	if (p->nrooms >= 10 && p->index % 2 == 0) {
		until = from + window / 3 + (int32_t)rng_between(&s->rng, 14, 45);
		for (uint32_t i = 0; i < (p->nrooms + 9) / 10; i++)
			plan_out(s, p, SUBJ_ROOM_CLOSED, 0, from + window / 3, until);
	}
	if (p->nrooms >= 12 && p->index % 2 == 1) {
		until = from + window / 4 + (int32_t)rng_between(&s->rng, LONG_DAYS + 20, 240);
		plan_out(s, p, SUBJ_ROOM_SHORT, 1, from + window / 4, until);
	}
}

void upkeep_day(struct sim *s, struct property *p, int32_t day)
{
	struct pending one = run_of(p);
	uint32_t breaks = (p->nrooms * BREAKS + rng_below(&s->rng, 1000)) / 1000;
	uint32_t alerts = (p->nrooms * LOCK_ALERTS + rng_below(&s->rng, 1000)) / 1000;

	for (uint32_t i = 0; i < breaks; i++) {
		one.what = rng_chance(&s->rng, ONLY_OUT_OF_SERVICE) ? SUBJ_ROOM_OUT_OF_SERVICE
								    : SUBJ_ROOM_SHORT;
		one.a = s->rooms[p->first_room + rng_below(&s->rng, p->nrooms)].type;
		one.b = day + rng_between(&s->rng, 1, 6);
		(void)run_push(s, ACT_ROOM_OUT,
			       world_local(p, day, OUT_US + (i + 1) * SIM_MINUTE / 60), one);
	}
	for (uint32_t i = 0; i < alerts; i++) {
		one.room = p->first_room + rng_below(&s->rng, p->nrooms);
		run_later(s, SUBJ_LOCK_ALERT,
			  world_local(p, day, rng_between(&s->rng, 8 * SIM_HOUR, 20 * SIM_HOUR)),
			  one);
	}
	if (!rng_chance(&s->rng, INVENTORY_SAYS))
		return;
	one.room = p->types[rng_below(&s->rng, CATALOG_ROOM_TYPES)].first_room;
	one.a = (uint32_t)(day + rng_between(&s->rng, 3, 30));
	(void)run_push(s, ACT_INVENTORY,
		       world_local(p, day, rng_between(&s->rng, 9 * SIM_HOUR, 18 * SIM_HOUR)), one);
}

void upkeep_open(struct sim *s, struct pending *p)
{
	struct room *r = &s->rooms[p->room];

	if (run_emit(s, SUBJ_ROOM_CREATED, p))
		plan_room_created(s, r);
	r->version++;
	house_give_room(s, p->room);
}

static bool closes(const struct pending *p, int32_t today)
{
	return p->what == SUBJ_ROOM_CLOSED || p->what == SUBJ_ROOM_PERMANENT ||
	       (p->what == SUBJ_ROOM_SHORT && p->b - today >= LONG_DAYS);
}

void upkeep_out(struct sim *s, struct pending *p)
{
	struct property *prop = &s->props[p->prop];
	int32_t today = world_local_day(prop, p->at_us), until = (int32_t)p->b, back = until;
	unsigned type = p->a;
	bool closing = closes(p, today); /* its nights were taken long ago */
	struct room *r;

	if (!closing && !house_fits(s, prop, type, today, until, 1))
		return; /* sold out: the repair waits */
	p->room = house_take_room(s, prop, type);
	if (p->room == SIM_NONE)
		return;
	if (!closing)
		house_book(s, prop, type, today, until, 1);
	r = &s->rooms[p->room];
	r->out_until = until;
	r->out_closes = closing;
	p->a = (uint32_t)until;
	if (run_emit(s, p->what, p) && closing)
		plan_close(s, prop, today, until, 1);
	r->version++;
	if (p->what == SUBJ_ROOM_PERMANENT)
		return;
	if (p->what == SUBJ_ROOM_CLOSED && rng_chance(&s->rng, COMES_BACK_EARLY))
		back -= (int32_t)rng_between(&s->rng, 1, 5);
	(void)run_push(s, ACT_ROOM_BACK, world_local(prop, back, BACK_US), *p);
}

void upkeep_back(struct sim *s, struct pending *p)
{
	struct property *prop = &s->props[p->prop];
	struct room *r = &s->rooms[p->room];
	int32_t today = world_local_day(prop, p->at_us);

	if (run_emit(s, SUBJ_ROOM_RETURNED, p) && r->out_closes)
		plan_close(s, prop, today, r->out_until, -1);
	r->version++;
	house_book(s, prop, r->type, today, r->out_until, -1);
	house_give_room(s, p->room);
	service_clean(s, SUBJ_TASK_REPAIRED, p->room, p);
}

/* Rooms that will exist on that day. */
static int64_t rooms_on(const struct sim *s, const struct room_type *t, int32_t day)
{
	int64_t n = t->nopen;

	for (uint32_t i = t->nopen; i < t->nrooms; i++)
		n += s->rooms[t->first_room + i].open_day <= day;
	return n;
}

/* One room of the type is withheld on the day, or given back, or the number just said. */
void upkeep_inventory(struct sim *s, struct pending *p)
{
	struct property *prop = &s->props[p->prop];
	unsigned type = s->rooms[p->room].type;
	struct room_type *t = &prop->types[type];
	int32_t day = (int32_t)p->a;
	uint8_t *announced = &t->announced[day - s->first_day]; /* 1 + rooms withheld */

	if (*announced > 1) {
		house_book(s, prop, type, day, day + 1, -1);
		*announced = 1;
	} else if (rng_chance(&s->rng, 600) && house_fits(s, prop, type, day, day + 1, 1) &&
		   !s->options.overbook) {
		house_book(s, prop, type, day, day + 1, 1);
		*announced = 2;
	} else {
		*announced = 1;
	}
	p->b = rooms_on(s, t, day) - (*announced - 1);
	if (run_emit(s, SUBJ_INVENTORY_DAILY, p))
		plan_total(s, prop, type, day, p->b);
}
