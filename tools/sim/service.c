/* Money, keys, housekeeping; see service.h. */
#include "tools/sim/service.h"

#include "tools/sim/book.h"

enum { /* per mille */
       GUARANTEED = 450,
       PAYMENT_FAILS = 40,
       CHARGED_BACK = 6,
       EXTRA = 250,
       CLEANED_DAILY = 500,
       KEY_FAILS = 25,
       KEY_SUSPENDED = 8,
       OPENS_DOOR = 700,
       DOOR_REFUSES = 30,
       TASK_DROPPED = 20,
       TASK_ESCALATES = 30,
       TASK_REASSIGNS = 90,
       TASK_INSPECTED = 500,
       MESSAGED = 600,
};

/* ---- money */

/* What the nights of r cost, as it is now. */
static int64_t price(const struct sim *s, const struct rsv *r)
{
	const struct property *p = &s->props[r->prop];
	int64_t sum = 0;

	for (unsigned i = 0; i < r->nitems; i++) {
		const struct item *it = &r->items[i];
		int32_t end = it->end < r->departure ? it->end : r->departure;

		if (it->segment == SEGMENT_DAY_USE)
			end = it->start + 1;
		for (int32_t day = it->start; day < end; day++)
			sum += world_rate(s, p, it, day);
	}
	return sum;
}

static void pay(struct sim *s, enum subject_id what, int64_t at_us, struct pending p, int64_t cents)
{
	p.room = SIM_NONE;
	p.b = cents;
	run_later(s, what, at_us, p);
}

static void pay_ahead(struct sim *s, struct rsv *r, struct pending p)
{
	int64_t total = price(s, r), at = p.at_us;
	bool prepaid = r->rate_plan == 1;

	if (total == 0 || r->method == METHOD_CASH || r->captured_cents != 0 ||
	    (!prepaid && !rng_chance(&s->rng, GUARANTEED)))
		return;
	if (rng_chance(&s->rng, PAYMENT_FAILS))
		pay(s, SUBJ_PAYMENT_FAILED, at = sim_after(s, at, 1, 5), p, total);
	pay(s, SUBJ_PAYMENT_AUTHORIZED, at = sim_after(s, at, 2, 90), p, total);
	r->authorized = true;
	if (!prepaid)
		return;
	pay(s, SUBJ_PAYMENT_CAPTURED, sim_after(s, at, 1, 4), p, total);
	r->captured_cents = total;
}

static void message(struct sim *s, struct pending p)
{
	int64_t at = sim_after(s, p.at_us, 1, 4);

	if (!rng_chance(&s->rng, MESSAGED))
		return;
	p.a = ++s->chain_serial;
	p.b = p.at_us;
	run_later(s, SUBJ_NOTIFY_REQUESTED, at, p);
	run_later(s, SUBJ_NOTIFY_DELIVERED, sim_after(s, at, 1, 30), p);
}

void service_confirmed(struct sim *s, struct rsv *r, struct pending p)
{
	p.room = SIM_NONE;
	run_later(s, SUBJ_ALLOCATION_CONFIRMED, p.at_us + SIM_SECOND / 4, p);
	run_later(s, SUBJ_FOLIO_OPENED, sim_after(s, p.at_us, 1, 3), p);
	message(s, p);
	pay_ahead(s, r, p);
}

void service_cancelled(struct sim *s, struct rsv *r, struct pending p)
{
	p.room = SIM_NONE;
	run_later(s, SUBJ_ALLOCATION_RELEASED, p.at_us + SIM_SECOND / 4, p);
	run_later(s, SUBJ_FOLIO_CLOSED, sim_after(s, p.at_us, 1, 3), p);
	if (r->captured_cents != 0)
		pay(s, SUBJ_PAYMENT_REFUNDED, sim_after(s, p.at_us, 60, 3600), p,
		    r->captured_cents * 8 / 10);
	else if (r->authorized)
		pay(s, SUBJ_PAYMENT_VOIDED, sim_after(s, p.at_us, 5, 600), p, price(s, r));
	r->captured_cents = 0;
	r->authorized = false;
}

void service_no_show(struct sim *s, struct rsv *r, struct pending p, int64_t cents)
{
	p.room = SIM_NONE;
	run_later(s, SUBJ_ALLOCATION_RELEASED, p.at_us + SIM_SECOND / 4, p);
	if (r->authorized && r->captured_cents == 0 && cents > 0)
		pay(s, SUBJ_PAYMENT_CAPTURED, sim_after(s, p.at_us, 60, 600), p, cents);
	run_later(s, SUBJ_FOLIO_CLOSED, sim_after(s, p.at_us, 700, 900), p);
}

static void settle(struct sim *s, struct rsv *r, struct pending p)
{
	int64_t total = price(s, r), at = sim_after(s, p.at_us, 60, 600);

	if (total > r->captured_cents) {
		pay(s, SUBJ_PAYMENT_CAPTURED, at, p, total - r->captured_cents);
		r->captured_cents = total;
	} else if (total < r->captured_cents) { /* left early, had paid all */
		pay(s, SUBJ_PAYMENT_REFUNDED, at, p, r->captured_cents - total);
	}
	if (total > 0 && r->method == METHOD_CARD && rng_chance(&s->rng, CHARGED_BACK)) {
		at = sim_after(s, at, 3 * SIM_DAY_S, 10 * SIM_DAY_S);
		pay(s, SUBJ_CHARGEBACK_OPENED, at, p, total);
		pay(s, rng_chance(&s->rng, 600) ? SUBJ_CHARGEBACK_WON : SUBJ_CHARGEBACK_LOST,
		    sim_after(s, at, 7 * SIM_DAY_S, 20 * SIM_DAY_S), p, total);
	}
	run_later(s, SUBJ_FOLIO_CLOSED, sim_after(s, p.at_us, 700, 1200), p);
}

void service_checked_out(struct sim *s, struct rsv *r, struct pending p)
{
	p.room = SIM_NONE;
	settle(s, r, p);
	for (unsigned i = 0; i < r->nitems; i++) {
		if (r->items[i].room == SIM_NONE)
			continue;
		p.a = r->items[i].key;
		p.b = r->items[i].key_us;
		run_later(s, SUBJ_KEY_REVOKED, sim_after(s, p.at_us, 5, 60), p);
	}
}

/* ---- keys and doors */

void service_key(struct sim *s, struct item *it, struct pending p)
{
	int64_t at = sim_after(s, p.at_us, 5, 30);

	p.room = it->room;
	p.a = it->key = ++s->chain_serial;
	p.b = it->key_us = p.at_us;
	run_later(s, SUBJ_KEY_REQUESTED, at, p);
	if (rng_chance(&s->rng, KEY_FAILS)) {
		run_later(s, SUBJ_KEY_FAILED, sim_after(s, at, 5, 30), p);
		p.a = it->key = ++s->chain_serial; /* another one */
		run_later(s, SUBJ_KEY_REQUESTED, at = sim_after(s, at, 40, 90), p);
	}
	run_later(s, SUBJ_KEY_ISSUED, at = sim_after(s, at, 1, 20), p);
	run_later(s, SUBJ_KEY_ACTIVATED, sim_after(s, at, 60, 300), p);
}

static void open_door(struct sim *s, const struct item *it, struct pending p)
{
	int64_t at = sim_after(s, p.at_us, 60, 3 * SIM_HOUR_S);

	p.room = it->room;
	p.a = it->key;
	p.b = it->key_us;
	if (rng_chance(&s->rng, DOOR_REFUSES)) {
		run_later(s, SUBJ_ACCESS_DENIED, at, p);
		at = sim_after(s, at, 20, 120);
	}
	run_later(s, SUBJ_ACCESS_GRANTED, at, p);
	if (rng_chance(&s->rng, KEY_SUSPENDED))
		run_later(s, SUBJ_KEY_SUSPENDED, sim_after(s, at, 60, 3600), p);
}

/* ---- the day of a guest, from the evening on */

void service_day(struct sim *s, struct rsv *r, struct pending p, int32_t today)
{
	const struct property *prop = &s->props[r->prop];
	int64_t morning = world_local(prop, today + 1, 8 * SIM_HOUR);

	for (unsigned i = 0; i < r->nitems; i++) {
		const struct item *it = &r->items[i];
		int64_t rate = today < it->end ? world_rate(s, prop, it, today) : 0;

		if (rate > 0)
			pay(s, SUBJ_FOLIO_CHARGE, sim_after(s, p.at_us, 60, 1800), p, rate);
		if (it->room == SIM_NONE)
			continue;
		if (rng_chance(&s->rng, OPENS_DOOR))
			open_door(s, it, p);
		if (today + 1 < r->departure && rng_chance(&s->rng, CLEANED_DAILY)) {
			struct pending clean = p;

			clean.at_us = sim_after(s, morning, 0, 7200);
			service_clean(s, SUBJ_TASK_STAYOVER, it->room, &clean);
		}
	}
	if (book_is_paid(r) && rng_chance(&s->rng, EXTRA))
		pay(s, SUBJ_FOLIO_EXTRA, sim_after(s, p.at_us, 60, 3600), p,
		    prop->place->currency->standard_rate * rng_between(&s->rng, 4, 20) / 100);
}

void service_clean(struct sim *s, enum subject_id created, uint32_t room,
		   const struct pending *from)
{
	struct pending p = *from;
	int64_t t = sim_after(s, p.at_us, 20, 300);

	p.room = room;
	p.a = ++s->chain_serial;
	p.b = p.at_us;
	run_later(s, created, t, p);
	p.rsv = SIM_NONE; /* the rest does not name it */
	run_later(s, SUBJ_TASK_ASSIGNED, t = sim_after(s, t, 30, 600), p);
	if (rng_chance(&s->rng, TASK_DROPPED)) {
		run_later(s, SUBJ_TASK_CANCELLED, sim_after(s, t, 60, 1800), p);
		return;
	}
	if (rng_chance(&s->rng, TASK_REASSIGNS))
		run_later(s, SUBJ_TASK_REASSIGNED, t = sim_after(s, t, 60, 1800), p);
	if (rng_chance(&s->rng, TASK_ESCALATES))
		run_later(s, SUBJ_TASK_ESCALATED, t = sim_after(s, t, 1800, 3600), p);
	run_later(s, SUBJ_TASK_STARTED, t = sim_after(s, t, 300, 5400), p);
	run_later(s, SUBJ_TASK_COMPLETED, t = sim_after(s, t, 1200, 2700), p);
	if (rng_chance(&s->rng, TASK_INSPECTED))
		run_later(s, SUBJ_TASK_INSPECTED, sim_after(s, t, 300, 3600), p);
}
