/*
 * One job at a time, as a little state machine; see jobs.h.
 *
 *   idle ─claim─▶ touching ─▶ watching ─(nothing left)─▶ finishing ─▶ idle
 *                    └────── an error ──────────────────▶ failing ──▶ idle
 *
 * A lease that could not be renewed means that the job is somebody else's: it is dropped silently.
 */
#include "etld/jobs.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "etld/consumers.h"
#include "sql_gen.h"

#define JOBS_MAGIC         OBJ_MAGIC('j')
#define LOOK_EVERY_MS      1000
#define STATEMENT_LIMIT_MS 60000
#define RETRY_AFTER        "5 s"

struct job {
	char *id, *attempt, *projection, *tenant_id /* NULL: all */;
	const struct consumer *consumer;
	int64_t touched; /* tenants, at the start: for the progress */
};

struct jobs {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *control, *warehouse;
	struct daemon_timer *timer;
	char lease[32];     /* interval */
	bool stopped, busy; /* busy: a statement is under way */
	struct job job;     /* id NULL: none */
	char error[512], number[24], progress[32];
};

static void forget(struct jobs *j)
{
	free(j->job.id);
	free(j->job.attempt);
	free(j->job.projection);
	free(j->job.tenant_id);
	j->job = (struct job){.id = NULL};
}

static void again_in(struct jobs *j, int64_t ms)
{
	j->busy = false;
	if (!j->stopped)
		daemon_timer_arm(j->timer, ms);
}

static void run(struct pgpool *pool, struct jobs *j, const struct sql_stmt *s,
		const char *const *params, pgconn_fn fn)
{
	j->busy = true;
	pgpool_exec(pool, NULL, s, params, STATEMENT_LIMIT_MS, fn, j);
}

/* ---- the end */

static void on_ended(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	(void)r;
	if (e == NULL)
		log_info("job ended", LOG_S("job_id", j->job.id),
			 LOG_S("projection", j->job.projection), LOG_S("error", j->error));
	forget(j);
	again_in(j, 0);
}

static void fail(struct jobs *j, const char *why, bool retriable)
{
	const char *params[] = {j->job.id, j->job.attempt, daemon_instance(j->daemon),
				j->error,  RETRY_AFTER,    retriable ? "true" : "false"};

	(void)snprintf(j->error, sizeof(j->error), "%s", why);
	run(j->control, j, &SQL_etld_retry_job, params, on_ended);
}

static void finish(struct jobs *j)
{
	const char *params[] = {j->job.id, j->job.attempt, daemon_instance(j->daemon), j->number,
				"0"};

	j->error[0] = '\0';
	(void)snprintf(j->number, sizeof(j->number), "%lld", (long long)j->job.touched);
	run(j->control, j, &SQL_etld_finish_job, params, on_ended);
}

/* ---- watching the touched keys go */

static void on_renewed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e == NULL && pgresult_rows(r, 0) == 0) {
		log_warn("lost the lease of a job", LOG_S("job_id", j->job.id));
		forget(j);
	}
	again_in(j, LOOK_EVERY_MS);
}

/* One row: how many tenants' keys are still to be rebuilt. */
static void on_left(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;
	const char *params[] = {j->job.id, j->job.attempt, daemon_instance(j->daemon), j->lease,
				j->progress};
	int64_t remaining;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e != NULL) { /* the lease runs on; look again */
		again_in(j, LOOK_EVERY_MS);
		return;
	}
	if (pgresult_i64(r, 0, 0, 0) == 0) {
		finish(j);
		return;
	}
	remaining = pgresult_i64(r, 0, 0, 0);
	(void)snprintf(j->progress, sizeof(j->progress), "0.%03d",
		       j->job.touched > remaining
			       ? (int)(999 * (j->job.touched - remaining) / j->job.touched)
			       : 0);
	run(j->control, j, &SQL_etld_heartbeat_job, params, on_renewed);
}

static void watch(struct jobs *j)
{
	const char *params[] = {j->job.consumer->name, j->job.tenant_id};

	run(j->warehouse, j, &SQL_etld_touched_left, params, on_left);
}

static void on_touched(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e != NULL) {
		fail(j, e->msg, true);
		return;
	}
	j->job.touched = pgresult_i64(r, 0, 0, 0);
	watch(j);
}

/* ---- claiming */

/* One row or none: (job_id, kind, projection, tenant_id, params, attempt, max_attempts). */
static void on_claimed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;
	const char *params[2];

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e != NULL || pgresult_rows(r, 0) == 0) {
		again_in(j, LOOK_EVERY_MS);
		return;
	}
	j->job.id = xstrdup(pgresult_text(r, 0, 0, 0));
	j->job.attempt = xstrdup(pgresult_text(r, 0, 0, 5));
	j->job.projection = xstrdup(pgresult_text(r, 0, 0, 2) != NULL ? pgresult_text(r, 0, 0, 2)
								      : "");
	if (pgresult_text(r, 0, 0, 3) != NULL)
		j->job.tenant_id = xstrdup(pgresult_text(r, 0, 0, 3));
	if (strcmp(pgresult_text(r, 0, 0, 1), "refresh") == 0)
		j->job.consumer = consumer_of_table(j->job.projection);
	log_info("job claimed", LOG_S("job_id", j->job.id), LOG_S("projection", j->job.projection),
		 LOG_S("attempt", j->job.attempt));
	if (j->job.consumer == NULL) {
		fail(j, "this etld has no such kind of job, or no such projection", false);
		return;
	}
	params[0] = j->job.consumer->name;
	params[1] = j->job.tenant_id;
	run(j->warehouse, j, &SQL_etld_touch_all_keys, params, on_touched);
}

static void on_swept(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;
	const char *params[] = {daemon_instance(j->daemon), j->lease};

	OBJ_CHECK(j, JOBS_MAGIC);
	(void)r;
	if (e != NULL)
		again_in(j, LOOK_EVERY_MS);
	else
		run(j->control, j, &SQL_etld_claim_job, params, on_claimed);
}

/* Silent workers lose their jobs before we look for one. */
static void claim(struct jobs *j)
{
	run(j->control, j, &SQL_etld_sweep_leases, NULL, on_swept);
}

static void on_timer(void *arg)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (j->busy || j->stopped)
		return;
	if (j->job.id != NULL)
		watch(j);
	else
		claim(j);
}

struct jobs *jobs_new(struct daemon *d, struct pgpool *control, struct pgpool *warehouse,
		      int64_t lease_ms)
{
	struct jobs *j = xcalloc(1, sizeof(*j));

	j->magic = JOBS_MAGIC;
	j->daemon = d;
	j->control = control;
	j->warehouse = warehouse;
	(void)snprintf(j->lease, sizeof(j->lease), "%lld ms", (long long)lease_ms);
	j->timer = daemon_timer_new(d, 0, 0, on_timer, j);
	return j;
}

void jobs_stop(struct jobs *j)
{
	if (j == NULL)
		return;
	j->stopped = true;
	daemon_timer_free(j->timer);
	j->timer = NULL;
}

void jobs_free(struct jobs *j)
{
	if (j == NULL)
		return;
	forget(j);
	j->magic = 0;
	free(j);
}
