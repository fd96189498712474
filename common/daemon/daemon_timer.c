/* Timers on the daemon's loop; see daemon.h. */
#include "common/daemon/daemon.h"

#include <event2/event.h>

#include "common/base/xalloc.h"

#define TIMER_MAGIC OBJ_MAGIC(0xdb)

struct daemon_timer {
	unsigned magic;
	struct event *ev;
	int64_t period_ms;
	daemon_timer_fn fn;
	void *arg;
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct daemon_timer *t = arg;

	OBJ_CHECK(t, TIMER_MAGIC);
	(void)fd;
	(void)what;
	if (t->period_ms > 0)
		daemon_timer_arm(t, t->period_ms);
	t->fn(t->arg); /* may free t */
}

struct daemon_timer *daemon_timer_new(struct daemon *d, int64_t delay_ms, int64_t period_ms,
				      daemon_timer_fn fn, void *arg)
{
	struct daemon_timer *t = xcalloc(1, sizeof(*t));

	*t = (struct daemon_timer){
		.magic = TIMER_MAGIC,
		.period_ms = period_ms,
		.fn = fn,
		.arg = arg,
	};
	t->ev = evtimer_new(daemon_base(d), on_timer, t);
	ASSERT(t->ev != NULL);
	daemon_timer_arm(t, delay_ms);
	return t;
}

void daemon_timer_arm(struct daemon_timer *t, int64_t delay_ms)
{
	const struct timeval tv = {delay_ms / 1000, delay_ms % 1000 * 1000};

	OBJ_CHECK(t, TIMER_MAGIC);
	(void)event_add(t->ev, &tv);
}

void daemon_timer_free(struct daemon_timer *t)
{
	if (t == NULL)
		return;
	OBJ_CHECK(t, TIMER_MAGIC);
	event_free(t->ev);
	t->magic = 0;
	free(t);
}
