/*
 * `etld backfill --projection TABLE`: builds the next version of what the projection's consumer
 * builds beside the live one, compares the two, switches, and says what has changed. With --from or
 * --to it rebuilds the keys that events of those days (UTC, inclusive) have touched, in the live
 * version. With --reread the typed events are first made again from raw: what an append that was
 * corrected reads otherwise, or what was damaged. That is of all days, and shows in the live
 * version as it goes; --hold holds the next one.
 *
 * It asks for a job and shows how far it is. An etld that runs does the work, within the share that
 * it gives to backfills: more workers beside it would take from the live events what it saves for
 * them. Where none does, this process works as one until the job is done. Killed, it loses nothing:
 * another goes on, and the same command follows a job that is under way. Exit 0: done; 69: it
 * failed for good; 75: try again.
 *
 * As a Cloud Run Job its first task does it all, and the others have nothing to do.
 *
 *   --switch, --rollback, --drop act on the version beside the live one, and ask nobody;
 *   --archive is another matter: archive.c.
 */
#include "etld/build/backfill.h"

#include <errno.h>

#include "common/base/progress.h"
#include "common/base/timestamp.h"
#include "common/base/ulid.h"
#include "common/daemon/jobtask.h"
#include "common/daemon/log.h"
#include "etld/build/versions.h"
#include "etld/etld.h"
#include "sql_gen.h"

#define LOOK_EVERY_MS      200
#define ALONE_AFTER        "2500 ms" /* two looks of an etld that runs, and a half */
#define START_LIMIT_MS     30000
#define STATEMENT_LIMIT_MS 60000
#define BUSY_MAX           300 /* times that readers may be in the way of a switch */
#define JOB_ID_MAX         40
#define DAY_LEN            10

static struct backfill {
	struct etld *etld;
	struct daemon_timer *timer, *start_limit;
	const struct consumer *consumer;
	const char *projection, *from, *to;
	bool hold, reread, json, working;
	enum versions_act act; /* VERSIONS_RECORD: none, a job is asked for */
	int busy;              /* times */
	char job_id[JOB_ID_MAX], params[128];
	int64_t total; /* rows, about; 0: not known */
	struct progress progress;
} b;

static void quit(enum daemon_exit code)
{
	daemon_quit(b.etld->daemon, code);
}

static bool failed(const char *what, const struct err *e)
{
	if (e == NULL)
		return false;
	progress_clear(&b.progress);
	log_error(what, LOG_S("projection", b.projection), LOG_S("error", e->msg));
	quit(e->sqlstate[0] != '\0' ? DAEMON_UNAVAILABLE : DAEMON_TEMPORARY);
	return true;
}

static void ask(struct pgpool *pool, const struct sql_stmt *s, const char *const *params,
		pgconn_fn fn)
{
	pgpool_exec(pool, NULL, s, params, STATEMENT_LIMIT_MS, fn, NULL);
}

/* ---- the version beside the live one */

static const char *const states[] = {
	[VERSIONS_SWITCH] = "switched",
	[VERSIONS_ROLL_BACK] = "rolled back",
	[VERSIONS_DROP] = "dropped",
	[VERSIONS_RECORD] = "built",
};

static void on_act(void *arg, const struct err *e)
{
	(void)arg;
	if (e != NULL && versions_busy(e) && ++b.busy < BUSY_MAX) {
		daemon_timer_arm(b.timer, LOOK_EVERY_MS);
		return;
	}
	if (failed("the version could not be changed", e))
		return;
	log_info("version changed", LOG_S("projection", b.projection),
		 LOG_S("outcome", states[b.act]));
	quit(DAEMON_OK);
}

static void act(void *arg)
{
	struct versions_env env = {b.etld->control, b.etld->warehouse, &b.etld->publisher};

	(void)arg;
	versions_do(&env, b.act, b.consumer, on_act, NULL);
}

/* ---- the job */

static void on_differences(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	if (failed("the differences could not be read", e))
		return;
	backfill_print(r, b.projection, b.hold ? "built" : "switched", b.json);
	quit(DAEMON_OK);
}

static void on_drained(void *arg)
{
	const char *params[] = {b.consumer->name};

	(void)arg;
	if (b.from != NULL || b.to != NULL) /* no version, nothing to compare */
		quit(DAEMON_OK);
	else
		ask(b.etld->warehouse, &SQL_etld_list_differences, params, on_differences);
}

/* The job is over: (state, attempt, worker, error, rows_in, rows_out, alone). */
static void end(const struct pgresult *r)
{
	const char *error = pgresult_text(r, 0, 0, 3);

	progress_clear(&b.progress);
	if (strcmp(pgresult_text(r, 0, 0, 0), "succeeded") != 0) {
		log_error("backfill failed", LOG_S("job_id", b.job_id),
			  LOG_S("error", error != NULL ? error : "it was cancelled"));
		quit(DAEMON_UNAVAILABLE);
		return;
	}
	log_info("backfill done", LOG_S("job_id", b.job_id), LOG_S("projection", b.projection),
		 LOG_I("keys", pgresult_i64(r, 0, 0, 4)), LOG_I("rows", pgresult_i64(r, 0, 0, 5)),
		 LOG_I("ms", progress_elapsed_ms(&b.progress)));
	etld_drain(b.etld, on_drained, NULL);
}

/* One row: (touches, touches_left, rows_in, rows_out, walked); none: it is not open (any more). */
static void on_portions(void *arg, const struct pgresult *r, const struct err *e)
{
	char what[128];

	(void)arg;
	daemon_timer_arm(b.timer, LOOK_EVERY_MS);
	if (e != NULL || pgresult_rows(r, 0) == 0)
		return;
	(void)snprintf(what, sizeof(what), "%lld keys  %lld rows  %lld of %lld %s",
		       (long long)pgresult_i64(r, 0, 0, 2), (long long)pgresult_i64(r, 0, 0, 3),
		       (long long)(pgresult_i64(r, 0, 0, 0) - pgresult_i64(r, 0, 0, 1)),
		       (long long)pgresult_i64(r, 0, 0, 0), b.reread ? "parts" : "tenants");
	if (pgresult_text(r, 0, 0, 4) != NULL) {
		(void)snprintf(what, sizeof(what), "looking through raw: %s events",
			       pgresult_text(r, 0, 0, 4));
		progress_draw(&b.progress, 0, 0, what);
	} else if (pgresult_i64(r, 0, 0, 1) == 0) {
		progress_draw(&b.progress, 0, 0, "comparing, switching");
	} else if (b.reread) { /* rows that come out as they were are no measure */
		progress_draw(&b.progress, pgresult_i64(r, 0, 0, 0) - pgresult_i64(r, 0, 0, 1),
			      pgresult_i64(r, 0, 0, 0), what);
	} else {
		progress_draw(&b.progress, pgresult_i64(r, 0, 0, 3), b.total, what);
	}
}

static void on_job(void *arg, const struct pgresult *r, const struct err *e)
{
	const char *params[] = {b.job_id}, *state;

	(void)arg;
	if (e != NULL && e->sqlstate[0] == '\0') { /* the pool says so in the log, once */
		daemon_timer_arm(b.timer, LOOK_EVERY_MS);
		return;
	}
	if (failed("the job could not be read", e))
		return;
	state = pgresult_rows(r, 0) == 1 ? pgresult_text(r, 0, 0, 0) : "queued";
	if (strcmp(state, "queued") != 0 && strcmp(state, "running") != 0) {
		end(r);
		return;
	}
	if (!b.working && pgresult_rows(r, 0) == 1 && pgresult_bool(r, 0, 0, 6)) {
		b.working = true;
		log_info("no etld is at it, so this one works", LOG_S("job_id", b.job_id));
		etld_start_work(b.etld, true);
	}
	ask(b.etld->warehouse, &SQL_etld_read_job, params, on_portions);
}

static void look(void *arg)
{
	const char *params[] = {b.job_id, ALONE_AFTER};

	(void)arg;
	ask(b.etld->control, &SQL_etld_read_backfill, params, on_job);
}

static void follow(const char *job_id)
{
	(void)snprintf(b.job_id, sizeof(b.job_id), "%s", job_id);
	daemon_timer_arm(b.timer, LOOK_EVERY_MS);
}

static void on_asked(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	if (!failed("the job could not be asked for", e))
		follow(pgresult_text(r, 0, 0, 0));
}

static void on_found(void *arg, const struct pgresult *r, const struct err *e)
{
	const char *params[] = {b.job_id,   "backfill", b.projection, NULL,
				"operator", NULL,       b.params};

	(void)arg;
	if (failed("the jobs could not be read", e))
		return;
	if (pgresult_rows(r, 0) == 1 && b.reread && !pgresult_bool(r, 0, 0, 1)) {
		log_error("a backfill is under way that reads nothing again: try when it is done",
			  LOG_S("job_id", pgresult_text(r, 0, 0, 0)));
		quit(DAEMON_TEMPORARY);
		return;
	}
	if (pgresult_rows(r, 0) == 1) {
		log_info("following the backfill that is under way",
			 LOG_S("job_id", pgresult_text(r, 0, 0, 0)));
		follow(pgresult_text(r, 0, 0, 0));
		return;
	}
	ulid_prefixed("job", b.job_id, sizeof(b.job_id));
	ask(b.etld->control, &SQL_etld_enqueue_job, params, on_asked);
}

/* One row: (tenants, rows, seconds). */
static void on_plan(void *arg, const struct pgresult *r, const struct err *e)
{
	char tables[CONSUMER_TABLES_LEN];
	const char *params[] = {tables};

	(void)arg;
	if (failed("the plan could not be made", e))
		return;
	if (b.from == NULL && b.to == NULL) {
		b.total = pgresult_i64(r, 0, 0, 1);
		log_info("backfill planned", LOG_S("projection", b.projection),
			 LOG_I("tenants", pgresult_i64(r, 0, 0, 0)), LOG_I("rows", b.total),
			 LOG_I("seconds", pgresult_i64(r, 0, 0, 2)));
	}
	consumer_tables(b.consumer, tables);
	ask(b.etld->control, &SQL_etld_find_backfill, params, on_found);
}

/* Armed for the next look; once at the start, when there is nothing to look at yet. */
static void on_timer(void *arg)
{
	if (b.act != VERSIONS_RECORD)
		act(arg);
	else if (b.job_id[0] != '\0')
		look(arg);
}

static void on_ready(struct etld *st)
{
	const char *params[] = {b.consumer->name};

	daemon_timer_free(b.start_limit);
	b.start_limit = NULL;
	b.timer = daemon_timer_new(st->daemon, 0, 0, on_timer, NULL);
	if (b.act == VERSIONS_RECORD)
		ask(st->warehouse, &SQL_etld_plan_backfill, params, on_plan);
}

/* ---- the start */

static void on_start_limit(void *arg)
{
	(void)arg;
	log_error("no database to work on", LOG_I("waited_ms", START_LIMIT_MS));
	quit(DAEMON_TEMPORARY);
}

static int take_day(const char *option, const char *text, const char **ret, struct err *e)
{
	int32_t days;

	if (timestamp_parse_date(slice_of(text), &days) < 0)
		return err_set(e, -EINVAL, "backfill: %s takes a day (YYYY-MM-DD), not '%s'",
			       option, text);
	*ret = text;
	return 0;
}

static const struct flag {
	const char *name;
	enum versions_act act;
} acts[] = {
	{"--switch", VERSIONS_SWITCH},
	{"--rollback", VERSIONS_ROLL_BACK},
	{"--drop", VERSIONS_DROP},
};

static const struct {
	const char *name;
	bool *on;
} switches[] = {{"--hold", &b.hold}, {"--reread", &b.reread}, {"--json", &b.json}};

/* Options without a value; false when it is none of them. */
static bool take_flag(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		if (strcmp(acts[i].name, word) == 0) {
			b.act = acts[i].act;
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (strcmp(switches[i].name, word) == 0) {
			*switches[i].on = true;
			return true;
		}
	}
	return false;
}

static int take_option(const char *name, const char *value, struct err *e)
{
	if (strcmp(name, "--projection") == 0) {
		b.projection = value;
		b.consumer = consumer_of_table(value);
		return b.consumer != NULL ? 0
					  : err_set(e, -EINVAL,
						    "backfill: there is no projection '%s'", value);
	}
	if (strcmp(name, "--from") == 0)
		return take_day(name, value, &b.from, e);
	if (strcmp(name, "--to") == 0)
		return take_day(name, value, &b.to, e);
	return err_set(e, -EINVAL,
		       "backfill: there is no option '%s'; known are --projection, --from, --to, "
		       "--reread, --hold, --switch, --rollback, --drop, --json",
		       name);
}

static int take_arguments(int argc, char **argv, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		int r;

		if (take_flag(argv[i]))
			continue;
		if (i + 1 == argc)
			return err_set(e, -EINVAL, "backfill: '%s' needs a value", argv[i]);
		r = take_option(argv[i], argv[i + 1], e);
		if (r < 0)
			return r;
		i++;
	}
	if (b.projection == NULL)
		return err_set(e, -EINVAL, "backfill: --projection says what to build");
	if (b.from != NULL && b.to != NULL && strcmp(b.from, b.to) > 0)
		return err_set(e, -EINVAL, "backfill: --from is after --to");
	if (b.reread && (b.from != NULL || b.to != NULL))
		return err_set(e, -EINVAL,
			       "backfill: --reread is of all days, without --from and --to");
	if (b.act != VERSIONS_RECORD && (b.from != NULL || b.to != NULL || b.hold || b.reread))
		return err_set(e, -EINVAL, "backfill: --switch, --rollback and --drop stand alone");
	return 0;
}

/* What the job is asked for with, as JSON; days were checked and need no escape. */
static void write_params(void)
{
	static const char *const names[] = {"from", "to"};
	const char *days[] = {b.from, b.to};
	size_t len = (size_t)snprintf(b.params, sizeof(b.params), "{\"hold\":%s%s",
				      b.hold ? "true" : "false",
				      b.reread ? ",\"reread\":true" : "");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (days[i] != NULL)
			len += (size_t)snprintf(b.params + len, sizeof(b.params) - len,
						",\"%s\":\"%.*s\"", names[i], DAY_LEN, days[i]);
	}
	(void)snprintf(b.params + len, sizeof(b.params) - len, "}");
}

int etld_backfill_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	struct etld *st = state;
	struct jobtask task;
	int r;

	r = jobtask_read("backfill", &task, e);
	if (r < 0)
		return r;
	if (task.index > 0) {
		log_info("left to the first task", LOG_I("task", task.index));
		daemon_quit(d, DAEMON_OK);
		return 0;
	}
	if (argc > 0 && strcmp(argv[0], "--archive") == 0)
		return etld_archive_start(d, st, argc - 1, argv + 1, e);
	b = (struct backfill){.etld = st, .act = VERSIONS_RECORD};
	r = take_arguments(argc, argv, e);
	if (r < 0)
		return r;
	write_params();
	st->once = true;
	st->on_ready = on_ready;
	st->options.task_count = 1;
	r = etld_open(d, st, e);
	if (r < 0)
		return r;
	progress_start(&b.progress);
	b.start_limit = daemon_timer_new(d, START_LIMIT_MS, 0, on_start_limit, NULL);
	return 0;
}

void etld_backfill_stop(void)
{
	daemon_timer_free(b.timer);
	daemon_timer_free(b.start_limit);
	b.timer = b.start_limit = NULL;
}
