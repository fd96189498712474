/*
 * Sends events: picks the selected ones, renders them, and gives them to the weather together with
 * the copies that --repeat, --conflict and --broken ask for.
 */
#include "tools/sim/emit.h"

#include "common/base/xalloc.h"
#include "tools/sim/activity.h"
#include "tools/sim/broken.h"
#include "tools/sim/run.h"
#include "tools/sim/weather.h"

#define LINE_MAX_BYTES ((size_t)4 << 20)

struct emitter {
	struct subject *subjects;
	struct weather *weather;
	struct strbuf line, copy;
	uint64_t serial;
	struct counts counts;
};

struct emitter *emit_new(struct sim *s, FILE *out)
{
	struct emitter *e = xcalloc(1, sizeof(*e));

	e->subjects = shape_subjects_new();
	e->weather = weather_new(&s->options, out);
	strbuf_init(&e->line, LINE_MAX_BYTES);
	strbuf_init(&e->copy, LINE_MAX_BYTES);
	for (size_t i = 0; i < SUBJECT_COUNT; i++) {
		struct subject *subject = &e->subjects[i];

		subject->selected = options_listed(s->options.shapes,
						   slice_of(subject->shape->name)) &&
				    options_listed(s->options.domains, subject->domain);
	}
	return e;
}

void emit_free(struct emitter *e)
{
	if (e == NULL)
		return;
	shape_subjects_free(e->subjects);
	weather_free(e->weather);
	strbuf_clear(&e->line);
	strbuf_clear(&e->copy);
	free(e);
}

static struct slice render(struct strbuf *b, const struct event *ev)
{
	strbuf_reset(b);
	shape_put_event(b, ev);
	ASSERT(!b->overflow);
	return strbuf_slice(b);
}

/* The copies that will follow an event: nothing about them depends on the other events. */
static struct parcel *copies(struct sim *s, struct event ev)
{
	struct emitter *e = s->emitter;
	struct rng *rng = weather_rng(e->weather);
	struct parcel *followers = NULL;

	if (weather_draws(e->weather, s->options.repeat)) {
		/* most of them soon, some a day later */
		int64_t delay = rng_chance(rng, 800) ? rng_between(rng, 0, SIM_MINUTE)
						     : rng_between(rng, SIM_MINUTE, 2 * SIM_DAY);

		ev.attempt = 1;
		followers = weather_parcel(render(&e->copy, &ev), delay, followers);
		ev.attempt = 0;
		e->counts.repeats++;
	}
	/* a new id would make it a new event */
	if (!ev.subject->service->new_id_per_delivery &&
	    weather_draws(e->weather, s->options.conflict)) {
		ev.conflict = true;
		followers = weather_parcel(render(&e->copy, &ev),
					   rng_between(rng, 6 * SIM_HOUR, 2 * SIM_DAY), followers);
		e->counts.conflicts++;
	}
	return followers;
}

static void send_broken(struct sim *s, struct event ev)
{
	struct emitter *e = s->emitter;

	ev.other_id = true;
	(void)render(&e->copy, &ev);
	broken_make(weather_rng(e->weather), &e->copy);
	weather_send(e->weather, ev.at_us, 0, strbuf_slice(&e->copy), NULL);
	e->counts.broken++;
}

bool emit(struct sim *s, const struct pending *p)
{
	struct emitter *e = s->emitter;
	struct subject *subject = &e->subjects[p->what];
	const struct property *prop = &s->props[p->prop];
	struct event ev = {
		.sim = s,
		.subject = subject,
		.at_us = p->at_us,
		.serial = e->serial++,
		.tenant = &s->tenants[prop->tenant],
		.prop = prop,
		.rsv = p->rsv == SIM_NONE ? NULL : run_rsv(s, p->rsv),
		.room = p->room == SIM_NONE ? NULL : &s->rooms[p->room],
		.a = p->a,
		.b = p->b,
	};
	struct parcel *followers;
	int64_t delay_us = 0;

	if (!subject->selected || s->done)
		return false;
	if (weather_draws(e->weather, s->options.late)) {
		delay_us = weather_lateness(e->weather);
		e->counts.late++;
	}
	followers = copies(s, ev);
	weather_send(e->weather, ev.at_us, delay_us, render(&e->line, &ev), followers);
	if (weather_draws(e->weather, s->options.broken))
		send_broken(s, ev);
	subject->sent++;
	activity_count(s, p->what, &ev);
	e->counts.good++;
	s->done = e->counts.good == s->options.events;
	return true;
}

int emit_finish(struct sim *s, struct err *e)
{
	int r = weather_finish(s->emitter->weather);

	return r < 0 ? err_set(e, r, "cannot write the events: output failed") : 0;
}

struct counts emit_counts(const struct emitter *e)
{
	return e->counts;
}

const struct subject *emit_subjects(const struct emitter *e)
{
	return e->subjects;
}
