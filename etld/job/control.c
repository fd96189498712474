/*
 * From events to jobs; see control.h.
 *
 *   idle ─poll─▶ take ─(some)─▶ enqueue ─▶ drop ─▶ take …
 */
#include "etld/job/control.h"

#include <errno.h>

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "sql_gen.h"

#define CONTROL_MAGIC      OBJ_MAGIC('c')
#define STATEMENT_LIMIT_MS 10000
#define EVENTS_MAX         "500"

struct control {
	unsigned magic;
	struct pgpool *control, *warehouse;
	struct daemon_timer *timer;
	int64_t poll_ms;
	char grace[32]; /* interval */
	bool stopped;
	int64_t events;       /* of this round, */
	char *tenants, *keys; /* and which: arrays as Postgres wrote them */
	struct metric *made;
};

/* Columns of take_control_events.sql. */
enum {
	TAKEN_EVENTS,
	TAKEN_JOB_IDS,
	TAKEN_KINDS,
	TAKEN_TENANTS,
	TAKEN_KEYS,
	TAKEN_PARAMS,
	TAKEN_END
};

#define TAKEN_COLUMNS (TAKEN_END - TAKEN_JOB_IDS)

static void again_in(struct control *c, int64_t ms)
{
	free(c->tenants);
	free(c->keys);
	c->tenants = c->keys = NULL;
	if (!c->stopped)
		daemon_timer_arm(c->timer, ms);
}

static bool failed(struct control *c, const struct err *e)
{
	if (e == NULL)
		return false;
	if (e->code != -ECANCELED)
		log_warn("cannot make jobs of events", LOG_S("error", e->msg));
	again_in(c, c->poll_ms);
	return true;
}

static void on_dropped(void *arg, const struct pgresult *r, const struct err *e)
{
	struct control *c = arg;

	OBJ_CHECK(c, CONTROL_MAGIC);
	(void)r;
	if (failed(c, e))
		return;
	metric_add(c->made, c->events);
	again_in(c, 0); /* there may be more */
}

static void on_enqueued(void *arg, const struct pgresult *r, const struct err *e)
{
	struct control *c = arg;
	const char *params[] = {c->tenants, c->keys};

	OBJ_CHECK(c, CONTROL_MAGIC);
	(void)r;
	if (failed(c, e))
		return;
	log_info("events became jobs", LOG_I("events", c->events));
	pgpool_exec(c->warehouse, NULL, &SQL_etld_drop_control_events, params, STATEMENT_LIMIT_MS,
		    on_dropped, c);
}

static void on_taken(void *arg, const struct pgresult *r, const struct err *e)
{
	struct control *c = arg;
	const char *params[6];

	OBJ_CHECK(c, CONTROL_MAGIC);
	if (failed(c, e))
		return;
	c->events = pgresult_i64(r, 0, 0, TAKEN_EVENTS);
	if (c->events == 0) {
		again_in(c, c->poll_ms);
		return;
	}
	for (size_t i = 0; i < TAKEN_COLUMNS; i++)
		params[i] = pgresult_text(r, 0, 0, TAKEN_JOB_IDS + i);
	params[TAKEN_COLUMNS] = c->grace;
	c->tenants = xstrdup(pgresult_text(r, 0, 0, TAKEN_TENANTS));
	c->keys = xstrdup(pgresult_text(r, 0, 0, TAKEN_KEYS));
	pgpool_exec(c->control, NULL, &SQL_etld_enqueue_event_jobs, params, STATEMENT_LIMIT_MS,
		    on_enqueued, c);
}

static void take(void *arg)
{
	struct control *c = arg;
	const char *params[] = {EVENTS_MAX};

	OBJ_CHECK(c, CONTROL_MAGIC);
	pgpool_exec(c->warehouse, NULL, &SQL_etld_take_control_events, params, STATEMENT_LIMIT_MS,
		    on_taken, c);
}

struct control *control_new(struct daemon *d, struct pgpool *control, struct pgpool *warehouse,
			    int64_t poll_ms, int64_t purge_grace_ms)
{
	struct control *c = xcalloc(1, sizeof(*c));

	c->magic = CONTROL_MAGIC;
	c->control = control;
	c->warehouse = warehouse;
	c->poll_ms = poll_ms;
	(void)snprintf(c->grace, sizeof(c->grace), "%lld ms", (long long)purge_grace_ms);
	c->made = metrics_counter("control_events_total", "Events that became jobs");
	c->timer = daemon_timer_new(d, 0, 0, take, c);
	return c;
}

void control_stop(struct control *c)
{
	if (c == NULL)
		return;
	c->stopped = true;
	daemon_timer_free(c->timer);
	c->timer = NULL;
}

void control_free(struct control *c)
{
	if (c == NULL)
		return;
	free(c->tenants);
	free(c->keys);
	c->magic = 0;
	free(c);
}
