/* Periodic work as a table of chores; see janitor.h. */
#include "etld/janitor.h"

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "sql_gen.h"

#define CHORE_TIMEOUT_MS 60000

/* Rows: (state, jobs). */
static void show_jobs(const struct pgresult *r)
{
	struct metric_family *jobs = metrics_gauge_family(
		"etl_jobs", "Jobs that are not done; failed ones for good", "state");

	for (size_t row = 0; row < pgresult_rows(r, 0); row++)
		metric_set(metrics_with(jobs, (const char *const[]){pgresult_text(r, 0, row, 0)}),
			   (double)pgresult_i64(r, 0, row, 1));
}

/* One row: (failed_keys). */
static void show_failed_keys(const struct pgresult *r)
{
	metric_set(metrics_gauge("etl_failed_keys", "Keys and events that were set aside"),
		   (double)pgresult_i64(r, 0, 0, 0));
}

static const struct chore {
	const struct sql_stmt *stmt;
	const char *params[2];
	bool control; /* else in the warehouse */
	int64_t first_ms, every_ms;
	void (*show)(const struct pgresult *r); /* may be NULL */
} chores[] = {
	/* at most 1000 coalesced refreshes a second become events */
	{&SQL_etld_emit_refreshed, {"1000", VERSION}, false, 1000, 1000, NULL},
	{&SQL_etld_alert_dead_letters, {"1000", VERSION}, false, 1000, 2000, NULL},
	{&SQL_etld_resolve_dead_letters, {VERSION}, false, 2000, 5000, NULL},
	/* of what was published a week is kept, for whoever asks what was sent */
	{&SQL_relay_prune, {"7 days", "10000"}, false, 30000, 60000, NULL},
	/* twice the week that the estimate of a backfill is made from */
	{&SQL_etld_prune_refreshes, {"14 days", "10000"}, false, 5000, 600000, NULL},
	/* all months that raw is partitioned by: one that an operator dropped may be needed again
	 */
	{&SQL_etld_ensure_partitions,
	 {"2010-01-01", "2049-12-31"},
	 false,
	 60000,
	 6 * 3600 * 1000,
	 NULL},
	/* once a year it is another job */
	{&SQL_etld_enqueue_horizon, {NULL}, true, 0, 3600 * 1000, NULL},
	{&SQL_etld_count_jobs, {NULL}, true, 0, 10000, show_jobs},
	{&SQL_etld_count_failed, {NULL}, false, 0, 10000, show_failed_keys},
};

struct running {
	const struct chore *chore;
	struct janitor *janitor;
	struct daemon_timer *timer;
	bool busy;
};

struct janitor {
	struct pgpool *control, *warehouse;
	struct running running[ARRAY_SIZE(chores)];
	bool stopped;
};

static void on_done(void *arg, const struct pgresult *r, const struct err *e)
{
	struct running *c = arg;

	c->busy = false;
	if (e == NULL && c->chore->show != NULL)
		c->chore->show(r);
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
	pgpool_exec(c->chore->control ? c->janitor->control : c->janitor->warehouse, NULL,
		    c->chore->stmt, c->chore->params, CHORE_TIMEOUT_MS, on_done, c);
}

struct janitor *janitor_new(struct daemon *d, struct pgpool *control, struct pgpool *warehouse)
{
	struct janitor *j = xcalloc(1, sizeof(*j));

	j->control = control;
	j->warehouse = warehouse;
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
