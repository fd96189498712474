/*
 * For tests of the loop adapters: runs an event loop until a condition holds. Nothing sleeps a
 * fixed time; a condition that never holds fails the test after LOOP_LIMIT_MS.
 */
#ifndef TESTS_UNIT_LOOP_H
#define TESTS_UNIT_LOOP_H

#include <event2/event.h>

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#define LOOP_LIMIT_MS 20000

static inline void loop_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* Runs the loop at least once; false when `limit_ms` passed without the condition. */
static inline bool loop_try(struct event_base *base, bool (*holds)(void *), void *arg,
			    int64_t limit_ms)
{
	const struct timeval period = {0, 2000};
	struct event *tick = event_new(base, -1, EV_PERSIST, loop_tick, NULL);
	int64_t end = clock_mono_ms() + limit_ms;
	bool ok = false;

	event_add(tick, &period);
	do {
		event_base_loop(base, EVLOOP_ONCE);
		ok = holds(arg);
	} while (!ok && clock_mono_ms() < end);
	event_free(tick);
	return ok;
}

static inline void loop_until(struct event_base *base, bool (*holds)(void *), void *arg)
{
	ck_assert_msg(loop_try(base, holds, arg, LOOP_LIMIT_MS), "the condition never held");
}

static inline bool loop_never(void *arg)
{
	(void)arg;
	return false;
}

/* Runs the loop for a while, to show that something does not happen. */
static inline void loop_for(struct event_base *base, int64_t ms)
{
	(void)loop_try(base, loop_never, NULL, ms);
}

#endif
