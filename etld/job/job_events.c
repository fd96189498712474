/* The carrier of job events; see job_events.h. */
#include "etld/job/job_events.h"

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "sql_gen.h"

#define CARRIER_MAGIC      OBJ_MAGIC('e')
#define STATEMENT_LIMIT_MS 30000

/* Columns of next_event.sql from 1 on are parameters of outbox_job_event.sql, in the same order. */
enum { EVENT_NO, EVENT_FACTS, EVENT_COLUMNS = 14 };

struct job_events {
	unsigned magic;
	struct pgpool *control, *warehouse;
	void (*on_done)(void *arg);
	void *arg;
	char event_no[24];
};

static void on_next(void *arg, const struct pgresult *r, const struct err *e);

static void finish(struct job_events *c, const struct err *e)
{
	if (e != NULL && e->sqlstate[0] != '\0')
		log_error("cannot tell of jobs", LOG_S("error", e->msg));
	c->on_done(c->arg);
}

static void read_next(struct job_events *c)
{
	pgpool_exec(c->control, NULL, &SQL_etld_next_event, NULL, STATEMENT_LIMIT_MS, on_next, c);
}

static void on_forgotten(void *arg, const struct pgresult *r, const struct err *e)
{
	struct job_events *c = arg;

	OBJ_CHECK(c, CARRIER_MAGIC);
	(void)r;
	if (e != NULL)
		finish(c, e);
	else
		read_next(c);
}

static void on_told(void *arg, const struct pgresult *r, const struct err *e)
{
	struct job_events *c = arg;
	const char *params[] = {c->event_no};

	OBJ_CHECK(c, CARRIER_MAGIC);
	(void)r;
	if (e != NULL)
		finish(c, e);
	else
		pgpool_exec(c->control, NULL, &SQL_etld_drop_event, params, STATEMENT_LIMIT_MS,
			    on_forgotten, c);
}

static void on_next(void *arg, const struct pgresult *r, const struct err *e)
{
	struct job_events *c = arg;
	const char *params[EVENT_COLUMNS];

	OBJ_CHECK(c, CARRIER_MAGIC);
	if (e != NULL || pgresult_rows(r, 0) == 0) {
		finish(c, e);
		return;
	}
	(void)snprintf(c->event_no, sizeof(c->event_no), "%s", pgresult_text(r, 0, 0, EVENT_NO));
	for (size_t i = EVENT_FACTS; i < EVENT_COLUMNS; i++)
		params[i - EVENT_FACTS] = pgresult_text(r, 0, 0, i);
	params[EVENT_COLUMNS - EVENT_FACTS] = VERSION;
	pgpool_exec(c->warehouse, NULL, &SQL_etld_outbox_job_event, params, STATEMENT_LIMIT_MS,
		    on_told, c);
}

struct job_events *job_events_new(struct pgpool *control, struct pgpool *warehouse)
{
	struct job_events *c = xcalloc(1, sizeof(*c));

	c->magic = CARRIER_MAGIC;
	c->control = control;
	c->warehouse = warehouse;
	return c;
}

void job_events_carry(struct job_events *c, void (*on_done)(void *arg), void *arg)
{
	OBJ_CHECK(c, CARRIER_MAGIC);
	c->on_done = on_done;
	c->arg = arg;
	read_next(c);
}

void job_events_free(struct job_events *c)
{
	if (c == NULL)
		return;
	c->magic = 0;
	free(c);
}
