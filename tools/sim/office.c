/* See office.h. */
#include "tools/sim/office.h"

enum {
	LOOKERS = 160, /* sessions without a booking a day, per mille of the rooms */
	WEEKDAY_FORECAST = 0,
};

#define OPENING_US SIM_HOUR

static void open_tenant(struct sim *s, const struct property *p)
{
	struct pending one = run_of(p);
	int64_t at = s->first_day * SIM_DAY + OPENING_US;

	run_later(s, SUBJ_TENANT_CREATED, at, one);
	run_later(s, SUBJ_TENANT_CONFIG, (s->options.from - 5) * SIM_DAY + 9 * SIM_HOUR, one);
	run_later(s, SUBJ_THEME_PUBLISHED, at + SIM_HOUR, one);
	if (s->tenants[p->tenant].index % 2 == 1) { /* for three days, before the window */
		run_later(s, SUBJ_TENANT_SUSPENDED, at + 20 * SIM_DAY, one);
		run_later(s, SUBJ_TENANT_REACTIVATED, at + 23 * SIM_DAY, one);
	}
}

void office_open(struct sim *s, struct property *p)
{
	struct pending one = run_of(p);
	int64_t at = s->first_day * SIM_DAY + OPENING_US + p->index * SIM_SECOND / 100;

	if (s->tenants[p->tenant].first_prop == p->index)
		open_tenant(s, p);
	run_later(s, SUBJ_USER_REGISTERED, at + 5 * SIM_MINUTE, one);
	for (one.a = 0; one.a < CATALOG_ROOM_TYPES; one.a++)
		run_later(s, SUBJ_ROOM_TYPE_CREATED, at + (10 + one.a) * SIM_MINUTE, one);
	for (one.a = 0; one.a < CATALOG_RATE_PLANS; one.a++)
		run_later(s, SUBJ_RATE_PLAN_CREATED, at + (20 + one.a) * SIM_MINUTE, one);
	for (one.a = 0; one.a < SIM_STAFF; one.a++)
		run_later(s, SUBJ_STAFF_CREATED, at + (30 + one.a) * SIM_MINUTE, one);
	/* rooms are created in between: a hotel without them cannot be published */
	run_later(s, SUBJ_PROPERTY_PUBLISHED, at + 3 * SIM_HOUR, one);
	run_later(s, SUBJ_PROPERTY_UPDATED, (s->options.from + 10) * SIM_DAY + 8 * SIM_HOUR, one);
}

static int64_t office_hours(struct sim *s, const struct property *p, int32_t day)
{
	return world_local(p, day, rng_between(&s->rng, 8 * SIM_HOUR, 18 * SIM_HOUR));
}

/* Searches, and drops out somewhere on the way to a booking. */
static void look(struct sim *s, const struct property *p, int32_t day)
{
	static const struct {
		enum subject_id what;
		unsigned goes_on; /* per mille */
		int64_t seconds;
	} steps[] = {
		{SUBJ_SEARCHED, 520, 0},    {SUBJ_CLICKED, 420, 60},
		{SUBJ_HANDED_OFF, 900, 90}, {SUBJ_HANDOFF_CONSUMED, 350, 4},
		{SUBJ_DRAFT_LEFT, 0, 60},
	};
	struct pending one = run_of(p);
	int64_t at = world_local(p, day, rng_between(&s->rng, 6 * SIM_HOUR, 23 * SIM_HOUR));

	one.a = ++s->session_serial;
	one.b = at;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		at = sim_after(s, at, steps[i].seconds / 3, steps[i].seconds);
		run_later(s, steps[i].what, at, one);
		if (!rng_chance(&s->rng, steps[i].goes_on))
			break;
	}
}

/* A model suggests something, a person decides. */
static void suggest(struct sim *s, const struct property *p, int32_t day)
{
	struct pending one = run_of(p);
	int64_t at = office_hours(s, p, day);

	one.a = ++s->chain_serial;
	one.b = at;
	run_later(s, SUBJ_INFERENCE_DONE, at, one);
	if (rng_chance(&s->rng, 800))
		run_later(s, SUBJ_GATE_DECIDED, sim_after(s, at, 30, 4 * SIM_HOUR_S), one);
}

static void forecast(struct sim *s, const struct property *p, int32_t day)
{
	struct pending one = run_of(p);
	int64_t at = world_local(p, day, 5 * SIM_HOUR + p->index % 60 * SIM_MINUTE);

	one.a = ++s->chain_serial;
	one.b = at;
	run_later(s, SUBJ_FORECAST_AI, at, one);
	one.a = ++s->chain_serial;
	one.room = p->types[one.a % CATALOG_ROOM_TYPES].first_room;
	run_later(s, SUBJ_FORECAST_ORCHESTRATOR, at + SIM_MINUTE, one);
}

/* What happens a few times a day in every hotel. */
static void routine(struct sim *s, const struct property *p, int32_t day)
{
	static const struct {
		enum subject_id what;
		unsigned times; /* per mille a day */
	} events[] = {
		{SUBJ_USER_LOGIN, 2000},       {SUBJ_LOGIN_FAILED, 150},
		{SUBJ_DASHBOARD_VIEWED, 1500}, {SUBJ_PAGE_VIEWED, 1000},
		{SUBJ_SEARCH_PROJECTED, 1000}, {SUBJ_FX_CAPTURED, 500},
		{SUBJ_REPORT_COMPLETED, 400},  {SUBJ_THEME_PUBLISHED, 8},
	};
	struct pending one = run_of(p);

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		unsigned n = (events[i].times + rng_below(&s->rng, 1000)) / 1000;

		while (n-- > 0)
			run_later(s, events[i].what, office_hours(s, p, day), one);
	}
	one.a = (uint32_t)(day + rng_between(&s->rng, 1, 60));
	run_later(s, SUBJ_AVAILABILITY_QUERIED, office_hours(s, p, day), one);
	for (unsigned i = 0; i < 3; i++) {
		one.a = rng_below(&s->rng, SIM_STAFF);
		run_later(s, SUBJ_SHIFT_ASSIGNED, office_hours(s, p, day), one);
	}
}

void office_day(struct sim *s, struct property *p, int32_t day)
{
	uint32_t lookers = (p->nrooms * LOOKERS + rng_below(&s->rng, 1000)) / 1000;

	routine(s, p, day);
	for (uint32_t i = 0; i < lookers; i++)
		look(s, p, day);
	if (rng_chance(&s->rng, 700))
		suggest(s, p, day);
	if (world_day(s, day)->weekday == WEEKDAY_FORECAST)
		forecast(s, p, day);
}
