/*
 * Rounds of profiling and checking; see inspector.h. One round at a time:
 *
 *   profile (dirty cells, or all) ─▶ which tenants are due ─▶ evaluate them, some at a time ─▶ rest
 */
#include "dqd/inspector.h"

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "sql_gen.h"

#define INSPECTOR_MAGIC OBJ_MAGIC('i')
#define DUE_TIMEOUT_MS  30000
#define HINT_DELAY_MS   100
#define ROUND_EVERY_MS  1000 /* for hints; checks come less often */

struct inspector {
	unsigned magic;
	struct daemon *daemon;
	struct profiler *profiler;
	struct evaluate_target target;
	const struct dqd_config *conf;
	struct daemon_timer *timer;
	bool busy, soon, stopped;
	bool everything; /* this round looks at every tenant */
	int64_t last_round_ms, last_check_ms, last_schedule_ms, last_full_ms;
	int64_t rest_until_ms; /* no round begins before */
	char since_s[24];      /* $1 of due_tenants: seconds to look back */
	const char *params[2];
	char *after; /* last tenant evaluated of this round */
	struct evaluate_report total;
	evaluate_fn once_fn;
	void *once_arg;
	struct metric *failing, *platform_failing;
	struct metric_family *rounds;
};

static void next_tenants(struct inspector *i);

/* What changes all the time would be counted all the time, at the cost of who changes it. The rest
 * ends with the check_interval, since a round may have waited more than it worked. */
static void rest(struct inspector *i)
{
	int64_t now = clock_mono_ms();
	int64_t ms = (now - i->last_round_ms) * (100 - i->conf->round_share) / i->conf->round_share;

	if (ms > i->conf->check_interval)
		ms = i->conf->check_interval;
	i->rest_until_ms = now + ms;
}

static void end_round(struct inspector *i, const struct err *e)
{
	rest(i);
	i->busy = false;
	free(i->after);
	i->after = NULL;
	metric_add(metrics_with(i->rounds, (const char *const[]){e == NULL ? "done" : "failed"}),
		   1);
	if (e == NULL && i->everything)
		metric_set(i->failing, (double)i->total.failing);
	if (e != NULL && e->sqlstate[0] != '\0')
		log_error("round failed", LOG_S("error", e->msg));
	if (i->once_fn != NULL)
		i->once_fn(i->once_arg, &i->total, e);
}

static void on_evaluated(void *arg, const struct evaluate_report *r, const struct err *e)
{
	struct inspector *i = arg;

	OBJ_CHECK(i, INSPECTOR_MAGIC);
	i->total.checked += r->checked;
	i->total.failing += r->failing;
	i->total.changed += r->changed;
	if (r->platform_checked > 0)
		metric_set(i->platform_failing, (double)r->platform_failing);
	if (e != NULL)
		end_round(i, e);
	else
		next_tenants(i);
}

/* One row: (tenants text[], last text), both null when none is left. */
static void on_due(void *arg, const struct pgresult *r, const struct err *e)
{
	struct inspector *i = arg;

	OBJ_CHECK(i, INSPECTOR_MAGIC);
	if (e != NULL || pgresult_text(r, 0, 0, 0) == NULL) {
		end_round(i, e);
		return;
	}
	free(i->after);
	i->after = xstrdup(pgresult_text(r, 0, 0, 1));
	evaluate_start(&i->target, pgresult_text(r, 0, 0, 0), on_evaluated, i);
}

static void next_tenants(struct inspector *i)
{
	i->params[0] = i->everything ? NULL : i->since_s;
	i->params[1] = i->after;
	pgpool_exec(i->target.warehouse, NULL, &SQL_dqd_due_tenants, i->params, DUE_TIMEOUT_MS,
		    on_due, i);
}

static void on_profiled(void *arg, const struct err *e)
{
	struct inspector *i = arg;
	int64_t now = clock_mono_ms(), since;

	OBJ_CHECK(i, INSPECTOR_MAGIC);
	if (e != NULL) {
		end_round(i, e);
		return;
	}
	i->everything = i->once_fn != NULL || i->last_schedule_ms == 0 ||
			now - i->last_schedule_ms >= i->conf->schedule_interval;
	if (!i->everything && now - i->last_check_ms < i->conf->check_interval) {
		end_round(i, NULL);
		return;
	}
	/* look back over the last two intervals: a commit may become visible late */
	since = i->last_check_ms == 0 ? i->conf->schedule_interval : now - i->last_check_ms;
	(void)snprintf(i->since_s, sizeof(i->since_s), "%lld",
		       (long long)((since + i->conf->check_interval) / 1000 + 1));
	i->last_check_ms = now;
	if (i->everything)
		i->last_schedule_ms = now;
	i->total = (struct evaluate_report){.checked = 0};
	next_tenants(i);
}

static void start_round(struct inspector *i)
{
	int64_t now = clock_mono_ms();

	i->busy = true;
	i->last_round_ms = now;
	if (i->once_fn != NULL || now - i->last_full_ms >= i->conf->full_interval) {
		i->last_full_ms = now;
		profiler_run_full(i->profiler, i->target.table, on_profiled, i);
	} else {
		profiler_run(i->profiler, on_profiled, i);
	}
}

static void on_timer(void *arg)
{
	struct inspector *i = arg;
	int64_t left = i->rest_until_ms - clock_mono_ms();

	OBJ_CHECK(i, INSPECTOR_MAGIC);
	i->soon = left > 0;
	daemon_timer_arm(i->timer, left > 0 ? left : i->conf->poll_interval);
	if (!i->busy && !i->stopped && left <= 0)
		start_round(i);
}

struct inspector *inspector_new(struct daemon *d, struct profiler *profiler,
				const struct evaluate_target *target, const struct dqd_config *conf)
{
	struct inspector *i = xcalloc(1, sizeof(*i));

	i->magic = INSPECTOR_MAGIC;
	i->daemon = d;
	i->profiler = profiler;
	i->target = *target;
	i->conf = conf;
	i->last_full_ms = clock_mono_ms();
	i->failing = metrics_gauge("dq_failing_checks",
				   "Failing checks at the last scheduled round");
	i->platform_failing = metrics_gauge(
		"dq_platform_failing_checks",
		"Failing checks that are no tenant's, such as schema_drift, when last looked at");
	i->rounds = metrics_counter_family("dq_rounds_total", "Rounds by outcome", "outcome");
	return i;
}

void inspector_wake(struct inspector *i)
{
	OBJ_CHECK(i, INSPECTOR_MAGIC);
	if (i->timer == NULL) {
		i->timer = daemon_timer_new(i->daemon, 0, 0, on_timer, i);
	} else if (!i->soon) { /* hints of a busy second are one round, not hundreds */
		int64_t rest = i->last_round_ms + ROUND_EVERY_MS - clock_mono_ms();

		i->soon = true;
		daemon_timer_arm(i->timer, rest > HINT_DELAY_MS ? rest : HINT_DELAY_MS);
	}
}

void inspector_run_once(struct inspector *i, evaluate_fn on_done, void *arg)
{
	OBJ_CHECK(i, INSPECTOR_MAGIC);
	i->once_fn = on_done;
	i->once_arg = arg;
	start_round(i);
}

void inspector_stop(struct inspector *i)
{
	if (i == NULL)
		return;
	i->stopped = true;
	daemon_timer_free(i->timer);
	i->timer = NULL;
}

void inspector_free(struct inspector *i)
{
	if (i == NULL)
		return;
	free(i->after);
	i->magic = 0;
	free(i);
}
