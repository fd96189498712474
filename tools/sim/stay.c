/* Guests in the house; see stay.h. */
#include "tools/sim/stay.h"

#include "tools/sim/book.h"
#include "tools/sim/house.h"
#include "tools/sim/plan.h"
#include "tools/sim/service.h"

enum { LEAVES_EARLY = 50, EXTENDS = 40, MOVES = 35, SAYS_STARTED = 300 }; /* per mille */

static void assign_rooms(struct sim *s, struct rsv *r, struct pending p)
{
	struct property *prop = &s->props[r->prop];

	for (unsigned i = 0; i < r->nitems; i++) {
		p.room = r->items[i].room = house_take_room(s, prop, r->items[i].type);
		if (p.room == SIM_NONE)
			continue;
		run_later(s, SUBJ_ROOM_ASSIGNED, p.at_us + (i + 1) * SIM_SECOND, p);
		service_key(s, &r->items[i], p);
	}
}

/* At noon at the latest, so that whoever comes finds the room free. */
static void set_departure(struct sim *s, struct rsv *r, struct pending p, int32_t day)
{
	const struct property *prop = &s->props[r->prop];
	int64_t from = 7 * SIM_HOUR, to = 12 * SIM_HOUR;

	if (r->segment == SEGMENT_DAY_USE) {
		from = 17 * SIM_HOUR;
		to = 19 * SIM_HOUR;
	}
	p.room = SIM_NONE;
	p.a = ++r->departures;
	(void)run_push(s, ACT_DEPART, world_local(prop, day, rng_between(&s->rng, from, to)), p);
}

static void plan_days(struct sim *s, struct rsv *r, struct pending p)
{
	const struct property *prop = &s->props[r->prop];
	int32_t nights = r->departure - r->arrival, leaves = r->departure;

	if (nights > 1 && rng_chance(&s->rng, LEAVES_EARLY))
		leaves = r->arrival + (int32_t)rng_between(&s->rng, 1, nights - 1);
	else if (nights > 0 && r->nitems == 1 && rng_chance(&s->rng, EXTENDS))
		(void)run_push(s, ACT_EXTEND,
			       world_local(prop, r->departure - 1,
					   rng_between(&s->rng, 22 * SIM_HOUR, 23 * SIM_HOUR)),
			       p);
	set_departure(s, r, p, leaves);
	if (nights > 1 && rng_chance(&s->rng, MOVES))
		(void)run_push(s, ACT_MOVE,
			       world_local(prop, r->arrival + 1,
					   rng_between(&s->rng, 16 * SIM_HOUR, 18 * SIM_HOUR)),
			       p);
	if (nights > 0)
		(void)run_push(s, ACT_STAY_DAY,
			       world_local(prop, r->arrival,
					   rng_between(&s->rng, 22 * SIM_HOUR, 23 * SIM_HOUR)),
			       p);
}

void stay_arrive(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);
	const struct property *prop = &s->props[r->prop];
	struct pending said = *p;

	if (r->status != RSV_CONFIRMED || p->a != r->arrivals)
		return;
	if (rng_chance(&s->rng, catalog_channels[r->channel].no_show)) {
		(void)run_push(s, ACT_NO_SHOW,
			       world_local(prop, r->arrival,
					   rng_between(&s->rng, 23 * SIM_HOUR,
						       24 * SIM_HOUR - SIM_MINUTE)),
			       *p);
		return;
	}
	if (!book_due(s, p, r))
		return;
	plan_forget(s, r);
	r->status = RSV_CHECKED_IN;
	assign_rooms(s, r, *p);
	said.room = r->items[0].room;
	book_tell(s, r, SUBJ_CHECKED_IN, &said);
	if (rng_chance(&s->rng, SAYS_STARTED))
		run_later(s, SUBJ_CHECK_IN_STARTED, p->at_us + 1000, *p);
	plan_days(s, r, *p);
}

void stay_no_show(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);
	struct pending said = *p;

	if (r->status != RSV_CONFIRMED || !book_due(s, p, r))
		return;
	plan_forget(s, r);
	r->status = RSV_NO_SHOW;
	book_nights(s, r, r->arrival + 1, -1);
	said.b = world_rate(s, &s->props[r->prop], &r->items[0], r->arrival);
	book_tell(s, r, SUBJ_NO_SHOW, &said);
	service_no_show(s, r, *p, said.b);
}

void stay_day(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);
	const struct property *prop = &s->props[r->prop];
	int32_t today = world_local_day(prop, p->at_us);

	if (r->status != RSV_CHECKED_IN || today >= r->departure)
		return;
	service_day(s, r, *p, today);
	(void)run_push(
		s, ACT_STAY_DAY,
		world_local(prop, today + 1, rng_between(&s->rng, 22 * SIM_HOUR, 23 * SIM_HOUR)),
		*p);
}

void stay_extend(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);
	struct property *prop = &s->props[r->prop];
	int32_t end = r->departure + (int32_t)rng_between(&s->rng, 1, 2);

	if (r->status != RSV_CHECKED_IN || end - r->arrival > SIM_NIGHTS_MAX ||
	    !house_fits(s, prop, r->items[0].type, r->departure, end, 1) || !book_due(s, p, r))
		return;
	plan_forget(s, r);
	house_book(s, prop, r->items[0].type, r->departure, end, 1);
	r->departure = r->items[0].end = end;
	book_tell(s, r, SUBJ_DATES_ITEMS, p);
	set_departure(s, r, *p, end);
}

void stay_move(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);
	struct property *prop = &s->props[r->prop];
	struct item *it = &r->items[0];
	uint32_t old = it->room;

	if (r->status != RSV_CHECKED_IN || old == SIM_NONE || prop->types[it->type].free_len == 0)
		return;
	p->room = it->room = house_take_room(s, prop, it->type);
	house_give_room(s, old);
	p->a = old;
	(void)run_emit(s, SUBJ_ROOM_REASSIGNED, p);
	service_key(s, it, *p);
	service_clean(s, SUBJ_TASK_TURNOVER, old, p);
}

void stay_depart(struct sim *s, struct pending *p)
{
	struct rsv *r = run_rsv(s, p->rsv);
	const struct property *prop = &s->props[r->prop];
	int32_t today = world_local_day(prop, p->at_us);
	struct pending said = *p;
	bool early = today < r->departure;

	if (r->status != RSV_CHECKED_IN || p->a != r->departures || !book_due(s, p, r))
		return;
	plan_forget(s, r);
	if (r->departure > r->arrival) /* the nights from today on are free again */
		book_nights(s, r, today, -1);
	r->departure = today;
	r->status = RSV_CHECKED_OUT;
	said.room = r->items[0].room;
	book_tell(s, r,
		  early || rng_chance(&s->rng, 500) ? SUBJ_CHECKED_OUT : SUBJ_CHECKED_OUT_PLAIN,
		  &said);
	service_checked_out(s, r, *p);
	for (unsigned i = 0; i < r->nitems; i++) {
		house_give_room(s, r->items[i].room);
		if (r->items[i].room != SIM_NONE)
			service_clean(s, SUBJ_TASK_TURNOVER, r->items[i].room, p);
	}
}
