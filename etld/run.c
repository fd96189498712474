/*
 * `etld run [--projection TABLE]… [--tenant TENANT]`: applies what is due and exits, as a Cloud Run
 * Job. Its tasks share the shards (CLOUD_RUN_TASK_INDEX of CLOUD_RUN_TASK_COUNT). Exit 0: nothing
 * is due any more; 75: what is left keeps failing, or a database cannot be reached: try again.
 */
#include <errno.h>

#include "common/base/progress.h"
#include "common/base/ulid.h"
#include "common/daemon/jobtask.h"
#include "common/daemon/log.h"
#include "etld/etld.h"
#include "sql_gen.h"

#define CONSUMERS_MAX      32
#define START_LIMIT_MS     30000
#define STATEMENT_LIMIT_MS 30000
#define TENANT_PREFIX      "tnt_"

static struct run {
	struct etld *etld;
	struct daemon_timer *start_limit;
	const struct consumer *only[CONSUMERS_MAX];
	int64_t events, keys, units;
	int64_t total; /* events that were pending; 0: not known */
	struct progress progress;
	bool done;
} run;

/* ---- progress */

static void draw_progress(void)
{
	char what[64];

	(void)snprintf(what, sizeof(what), "%lld events  %lld keys", (long long)run.events,
		       (long long)run.keys);
	progress_draw(&run.progress, run.events,
		      run.total > 0 && run.total < run.events ? run.events : run.total, what);
}

static void on_applied(void *arg, const struct unit_report *r)
{
	(void)arg;
	run.units++;
	run.events += r->events;
	run.keys += r->keys;
	draw_progress();
}

/* One row of status.sql: the second is the events that are pending. */
static void on_size(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	if (e == NULL)
		run.total = run.events + pgresult_i64(r, 0, 0, 1);
}

/* ---- the end */

static void on_emitted(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)r; /* what could not be told now is told by the next run */
	(void)e;
	if (run.done && run.events > 0) { /* whatever was thought before, that was all */
		run.total = run.events;
		run.progress.drawn_ms = 0;
		draw_progress();
	}
	progress_clear(&run.progress);
	log_info("run ended", LOG_S("outcome", run.done ? "done" : "gave up"),
		 LOG_I("events", run.events), LOG_I("keys", run.keys), LOG_I("units", run.units),
		 LOG_I("ms", progress_elapsed_ms(&run.progress)));
	daemon_quit(run.etld->daemon, run.done ? run.etld->done_code : DAEMON_TEMPORARY);
}

static void on_idle(void *arg, bool done)
{
	static const char *const params[] = {"100000", VERSION};
	struct etld *st = arg;

	run.done = done;
	scheduler_drain(st->scheduler, NULL, NULL);
	pgpool_exec(st->warehouse, NULL, &SQL_etld_emit_refreshed, params, STATEMENT_LIMIT_MS,
		    on_emitted, NULL);
}

static void on_start_limit(void *arg)
{
	struct etld *st = arg;

	if (st->scheduler != NULL)
		return;
	log_error("no database to work on", LOG_I("waited_ms", START_LIMIT_MS));
	daemon_quit(st->daemon, DAEMON_TEMPORARY);
}

/* ---- the start */

static int take_option(struct scheduler_options *o, const char *name, const char *value,
		       struct err *e)
{
	if (strcmp(name, "--projection") == 0) {
		const struct consumer *c = consumer_of_table(value);

		if (c == NULL)
			return err_set(e, -EINVAL, "run: there is no projection '%s'", value);
		if (o->nonly == CONSUMERS_MAX)
			return err_set(e, -EINVAL, "run: more than %d projections", CONSUMERS_MAX);
		run.only[o->nonly++] = c;
		return 0;
	}
	if (strcmp(name, "--tenant") == 0) {
		size_t prefix = sizeof(TENANT_PREFIX) - 1;

		if (strncmp(value, TENANT_PREFIX, prefix) != 0 ||
		    !ulid_valid(slice_of(value + prefix)))
			return err_set(e, -EINVAL, "run: --tenant takes tnt_ and a ULID, not '%s'",
				       value);
		o->unit.tenant_id = value;
		return 0;
	}
	return err_set(e, -EINVAL, "run: there is no option '%s'; known are --projection, --tenant",
		       name);
}

int etld_run_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	struct etld *st = state;
	struct scheduler_options *o = &st->options;
	struct jobtask task;
	int r;

	for (int i = 0; i < argc; i += 2) {
		if (i + 1 == argc)
			return err_set(e, -EINVAL, "run: '%s' needs a value", argv[i]);
		r = take_option(o, argv[i], argv[i + 1], e);
		if (r < 0)
			return r;
	}
	o->only = run.only;
	r = jobtask_read("run", &task, e);
	if (r < 0)
		return r;
	o->task_count = task.count;
	o->task_index = task.index;
	o->on_idle = on_idle;
	o->on_applied = on_applied;
	o->arg = st;
	st->once = true;
	r = etld_open(d, st, e);
	if (r < 0)
		return r;
	log_info("run started", LOG_I("task", o->task_index), LOG_I("tasks", o->task_count),
		 LOG_I("attempt", task.attempt));
	run.etld = st;
	progress_start(&run.progress);
	run.start_limit = daemon_timer_new(d, START_LIMIT_MS, 0, on_start_limit, st);
	if (run.progress.terminal && o->task_count == 1 && o->nonly == 0 &&
	    o->unit.tenant_id == NULL)
		pgpool_exec(st->warehouse, NULL, &SQL_etld_status, NULL, STATEMENT_LIMIT_MS,
			    on_size, NULL);
	return 0;
}

void etld_run_stop(void)
{
	daemon_timer_free(run.start_limit);
	run.start_limit = NULL;
}
