/* Periodic work as a table of chores; see janitor.h. */
#include "etld/janitor.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "sql_gen.h"

#define CHORE_TIMEOUT_MS 60000

static const struct chore {
	const struct sql_stmt *stmt;
	const char *params[2];
	int64_t first_ms, every_ms;
} chores[] = {
	/* at most 1000 coalesced refreshes a second become events */
	{&SQL_etld_emit_refreshed, {"1000", VERSION}, 1000, 1000},
	/* all months that raw is partitioned by: what retention dropped may be needed again */
	{&SQL_etld_ensure_partitions, {"2010-01-01", "2049-12-31"}, 60000, 6 * 3600 * 1000},
};

struct running {
	const struct chore *chore;
	struct janitor *janitor;
	struct daemon_timer *timer;
	bool busy;
};

struct janitor {
	struct pgpool *pool;
	struct running running[ARRAY_SIZE(chores)];
	bool stopped;
};

static void on_done(void *arg, const struct pgresult *r, const struct err *e)
{
	struct running *c = arg;

	(void)r;
	c->busy = false;
	if (e != NULL && e->sqlstate[0] != '\0')
		log_error("chore failed", LOG_S("statement", c->chore->stmt->name),
			  LOG_S("error", e->msg));
}

static void on_timer(void *arg)
{
	struct running *c = arg;

	if (c->busy || c->janitor->stopped)
		return;
	c->busy = true;
	pgpool_exec(c->janitor->pool, NULL, c->chore->stmt, c->chore->params, CHORE_TIMEOUT_MS,
		    on_done, c);
}

struct janitor *janitor_new(struct daemon *d, struct pgpool *warehouse)
{
	struct janitor *j = xcalloc(1, sizeof(*j));

	j->pool = warehouse;
	for (size_t i = 0; i < ARRAY_SIZE(chores); i++) {
		j->running[i].chore = &chores[i];
		j->running[i].janitor = j;
		j->running[i].timer = daemon_timer_new(d, chores[i].first_ms, chores[i].every_ms,
						       on_timer, &j->running[i]);
	}
	return j;
}

void janitor_stop(struct janitor *j)
{
	if (j == NULL)
		return;
	j->stopped = true;
	for (size_t i = 0; i < ARRAY_SIZE(chores); i++) {
		daemon_timer_free(j->running[i].timer);
		j->running[i].timer = NULL;
	}
}

void janitor_free(struct janitor *j)
{
	free(j);
}
