/*
 * One job at a time, as a little state machine; see jobs.h.
 *
 *   idle ─sweep, claim─▶ telling ─▶ opening ─▶ watching ─(nothing left)─▶ finishing ─▶ closing ─▶
 * idle └───────── an error ─────────────────────────▶ failing ──────┘
 *
 * What changed with a job is told (job_events.h) before the work begins, so that its etl.started
 * comes before its etl.completed. A lease that could not be renewed means that the job is somebody
 * else's: it is dropped silently, and its keys are left to the other.
 */
#include "etld/jobs.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "etld/job.h"
#include "etld/job_events.h"
#include "sql_gen.h"

#define JOBS_MAGIC         OBJ_MAGIC('j')
#define LOOK_EVERY_MS      1000
#define STATEMENT_LIMIT_MS 60000

struct jobs {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *control, *warehouse;
	struct job_events *events;
	struct daemon_timer *timer;
	struct jobs_options options;
	char lease[32];     /* interval */
	bool stopped, busy; /* busy: something is under way */
	void (*on_drained)(void *arg);
	void *drained_arg;
	struct job job;
};

static void give_back(struct jobs *j);

static void again_in(struct jobs *j, int64_t ms)
{
	j->busy = false;
	if (j->on_drained != NULL)
		give_back(j);
	else if (!j->stopped)
		daemon_timer_arm(j->timer, ms);
}

static void run(struct pgpool *pool, struct jobs *j, const struct sql_stmt *s,
		const char *const *params, pgconn_fn fn)
{
	j->busy = true;
	pgpool_exec(pool, NULL, s, params, STATEMENT_LIMIT_MS, fn, j);
}

static void lost(struct jobs *j)
{
	log_warn("lost the lease of a job", LOG_S("job_id", j->job.claim[CLAIM_ID]));
	job_forget(&j->job);
	again_in(j, 0);
}

/* ---- the end */

static void on_closed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	(void)r; /* left behind it does no harm: its keys are rebuilt for nobody */
	(void)e;
	job_forget(&j->job);
	again_in(j, 0);
}

/* It is over in the control database; nothing of it stays in the queue. */
static void close_job(struct jobs *j)
{
	const char *params[] = {j->job.claim[CLAIM_ID]};

	run(j->warehouse, j, &SQL_etld_close_job, params, on_closed);
}

/* One row: its new state. Queued again it stays open, and the next attempt goes on with it. */
static void on_failed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e != NULL) { /* the lease ends, and the sweep does this */
		job_forget(&j->job);
		again_in(j, LOOK_EVERY_MS);
	} else if (pgresult_rows(r, 0) == 0) {
		lost(j);
	} else if (strcmp(pgresult_text(r, 0, 0, 1), "queued") == 0) {
		job_forget(&j->job);
		again_in(j, 0);
	} else {
		close_job(j);
	}
}

static void fail(struct jobs *j, enum job_reason reason, const char *why)
{
	struct job *job = &j->job;
	const char *params[] = {job->claim[CLAIM_ID],
				job->claim[CLAIM_ATTEMPT],
				daemon_instance(j->daemon),
				job_reasons[reason].name,
				job->error,
				job->wait,
				job_reasons[reason].retriable ? "true" : "false",
				job->rows_in,
				job->rows_out};

	(void)snprintf(job->error, sizeof(job->error), "%s", why);
	(void)snprintf(job->wait, sizeof(job->wait), "%lld ms",
		       (long long)job_retry_in_ms(job->attempt));
	log_warn("job failed", LOG_S("job_id", job->claim[CLAIM_ID]),
		 LOG_S("projection", job->claim[CLAIM_PROJECTION]), LOG_I("attempt", job->attempt),
		 LOG_S("reason", job_reasons[reason].name), LOG_S("error", job->error));
	run(j->control, j, &SQL_etld_retry_job, params, on_failed);
}

static void on_finished(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e != NULL) { /* still ours: look again */
		again_in(j, LOOK_EVERY_MS);
		return;
	}
	if (pgresult_rows(r, 0) == 0) {
		lost(j);
		return;
	}
	log_info("job done", LOG_S("job_id", j->job.claim[CLAIM_ID]),
		 LOG_S("projection", j->job.claim[CLAIM_PROJECTION]),
		 LOG_S("rows_in", j->job.rows_in), LOG_S("rows_out", j->job.rows_out));
	close_job(j);
}

static void finish(struct jobs *j)
{
	const char *params[] = {j->job.claim[CLAIM_ID], j->job.claim[CLAIM_ATTEMPT],
				daemon_instance(j->daemon), j->job.rows_in, j->job.rows_out};

	run(j->control, j, &SQL_etld_finish_job, params, on_finished);
}

/* ---- watching the touched keys go */

static void on_withdrawn(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;
	char why[96];

	OBJ_CHECK(j, JOBS_MAGIC);
	(void)r;
	if (e != NULL) {
		again_in(j, LOOK_EVERY_MS);
		return;
	}
	(void)snprintf(why, sizeof(why), "it took longer than %lld s",
		       (long long)(j->options.timeout_ms / 1000));
	fail(j, JOB_TIMEOUT, why);
}

/* One row, (elapsed_ms), or none: the lease was lost. */
static void on_renewed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;
	const char *params[] = {j->job.claim[CLAIM_ID]};

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e == NULL && pgresult_rows(r, 0) == 0)
		lost(j);
	else if (e == NULL && pgresult_i64(r, 0, 0, 0) > j->options.timeout_ms)
		/* what is left must not be done under the name of a job that failed */
		run(j->warehouse, j, &SQL_etld_close_job, params, on_withdrawn);
	else
		again_in(j, LOOK_EVERY_MS);
}

/* One row: (touches, touches_left, rows_in, rows_out); none: it was withdrawn by somebody else. */
static void on_read(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;
	struct job *job = &j->job;
	const char *params[] = {job->claim[CLAIM_ID], job->claim[CLAIM_ATTEMPT],
				daemon_instance(j->daemon), j->lease, job->progress};
	int64_t touches, left;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e != NULL) { /* the lease runs on; look again */
		again_in(j, LOOK_EVERY_MS);
		return;
	}
	if (pgresult_rows(r, 0) == 0) {
		lost(j);
		return;
	}
	touches = pgresult_i64(r, 0, 0, 0);
	left = pgresult_i64(r, 0, 0, 1);
	(void)snprintf(job->rows_in, sizeof(job->rows_in), "%s", pgresult_text(r, 0, 0, 2));
	(void)snprintf(job->rows_out, sizeof(job->rows_out), "%s", pgresult_text(r, 0, 0, 3));
	if (left == 0) {
		finish(j);
		return;
	}
	(void)snprintf(job->progress, sizeof(job->progress), "0.%03d",
		       (int)(999 * (touches - left) / touches));
	run(j->control, j, &SQL_etld_heartbeat_job, params, on_renewed);
}

static void watch(struct jobs *j)
{
	const char *params[] = {j->job.claim[CLAIM_ID]};

	run(j->warehouse, j, &SQL_etld_read_job, params, on_read);
}

/* One row: (touches, landed). */
static void on_opened(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e != NULL)
		fail(j, JOB_ERROR, e->msg);
	else if (pgresult_i64(r, 0, 0, 0) > 0)
		watch(j);
	else
		fail(j, JOB_SOURCE_NOT_READY,
		     pgresult_bool(r, 0, 0, 1)
			     ? "a table that it reads has landed events and is not built yet"
			     : "nothing that it is built from has landed");
}

static void start_refresh(struct jobs *j)
{
	char **claim = j->job.claim;
	const char *params[] = {claim[CLAIM_ID],
				claim[CLAIM_ATTEMPT],
				claim[CLAIM_TENANT],
				claim[CLAIM_PROJECTION],
				NULL,
				claim[CLAIM_TRIGGER],
				claim[CLAIM_DEPENDENCIES],
				claim[CLAIM_DEPENDENCY_CONSUMERS]};

	if (claim[CLAIM_PROJECTION] != NULL)
		j->job.consumer = consumer_of_table(claim[CLAIM_PROJECTION]);
	if (j->job.consumer == NULL) {
		fail(j, JOB_UNSUPPORTED, "this etld has no such projection");
		return;
	}
	params[4] = j->job.consumer->name;
	run(j->warehouse, j, &SQL_etld_open_job, params, on_opened);
}

/* ---- what this version can do; a job of another kind stays queued for one that can */

static const struct job_kind {
	const char *name;
	void (*start)(struct jobs *j);
} kinds[] = {
	{"refresh", start_refresh},
};

const char *jobs_kinds(void)
{
	static char list[256];
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT(len + strlen(kinds[i].name) + 3 < sizeof(list));
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%c%s", i == 0 ? '{' : ',',
					kinds[i].name);
	}
	(void)snprintf(list + len, sizeof(list) - len, "}");
	return list;
}

static void on_told(void *arg)
{
	struct jobs *j = arg;
	const char *name = j->job.claim[CLAIM_KIND];

	OBJ_CHECK(j, JOBS_MAGIC);
	if (name == NULL) {
		again_in(j, LOOK_EVERY_MS);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			kinds[i].start(j);
			return;
		}
	}
	ASSERT(false); /* it was claimed by kind */
}

/* ---- claiming */

static void on_claimed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e != NULL) {
		again_in(j, LOOK_EVERY_MS);
		return;
	}
	job_take(&j->job, r);
	if (j->job.claim[CLAIM_ID] != NULL)
		log_info("job claimed", LOG_S("job_id", j->job.claim[CLAIM_ID]),
			 LOG_I("attempt", j->job.attempt));
	job_events_carry(j->events, on_told, j); /* also what others left behind */
}

static void on_withdrawn_of_dead(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)r;
	(void)e; /* then its keys are rebuilt for nobody */
}

/* Rows: (job_id, state, attempt). What is left of a job that is now dead is withdrawn. */
static void on_swept(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;
	const char *params[] = {daemon_instance(j->daemon), j->lease, jobs_kinds()};

	OBJ_CHECK(j, JOBS_MAGIC);
	if (e != NULL) {
		again_in(j, LOOK_EVERY_MS);
		return;
	}
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		const char *id = pgresult_text(r, 0, row, 0), *state = pgresult_text(r, 0, row, 1);

		log_warn("took a job back from a silent worker", LOG_S("job_id", id),
			 LOG_S("state", state));
		if (strcmp(state, "failed") == 0)
			pgpool_exec(j->warehouse, NULL, &SQL_etld_close_job, &id,
				    STATEMENT_LIMIT_MS, on_withdrawn_of_dead, j);
	}
	run(j->control, j, &SQL_etld_claim_job, params, on_claimed);
}

static void on_timer(void *arg)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (j->busy || j->stopped || j->on_drained != NULL)
		return;
	if (j->job.claim[CLAIM_ID] != NULL)
		watch(j);
	else /* silent workers lose their jobs before we look for one */
		run(j->control, j, &SQL_etld_sweep_leases, NULL, on_swept);
}

struct jobs *jobs_new(struct daemon *d, struct pgpool *control, struct pgpool *warehouse,
		      const struct jobs_options *o)
{
	struct jobs *j = xcalloc(1, sizeof(*j));

	j->magic = JOBS_MAGIC;
	j->daemon = d;
	j->control = control;
	j->warehouse = warehouse;
	j->options = *o;
	j->events = job_events_new(control, warehouse);
	(void)snprintf(j->lease, sizeof(j->lease), "%lld ms", (long long)o->lease_ms);
	job_forget(&j->job);
	j->timer = daemon_timer_new(d, 0, 0, on_timer, j);
	return j;
}

/* ---- draining */

static void drained(struct jobs *j)
{
	void (*fn)(void *arg) = j->on_drained;

	j->stopped = true;
	j->on_drained = NULL;
	fn(j->drained_arg);
}

static void on_released(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	(void)r; /* not released it goes to another when its lease ends */
	(void)e;
	job_forget(&j->job);
	drained(j);
}

static void give_back(struct jobs *j)
{
	const char *params[] = {j->job.claim[CLAIM_ID], j->job.claim[CLAIM_ATTEMPT],
				daemon_instance(j->daemon)};

	if (params[0] == NULL)
		drained(j);
	else
		run(j->control, j, &SQL_etld_release_job, params, on_released);
}

void jobs_drain(struct jobs *j, void (*on_done)(void *arg), void *arg)
{
	OBJ_CHECK(j, JOBS_MAGIC);
	j->on_drained = on_done;
	j->drained_arg = arg;
	if (!j->busy)
		give_back(j);
}

void jobs_stop(struct jobs *j)
{
	if (j == NULL)
		return;
	j->stopped = true;
	j->on_drained = NULL;
	daemon_timer_free(j->timer);
	j->timer = NULL;
}

void jobs_free(struct jobs *j)
{
	if (j == NULL)
		return;
	job_forget(&j->job);
	job_events_free(j->events);
	j->magic = 0;
	free(j);
}
