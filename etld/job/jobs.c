/*
 * One job at a time, as a little state machine; see jobs.h.
 *
 *   idle ─sweep, claim─▶ telling ─▶ portion ─renew─▶ portion … ─(done)─▶ finishing ─▶ closing ─▶
 * idle └───────── an error ────────────────────────▶ failing ──────┘
 *
 * What changed with a job is told (job_events.h) before the work begins, so that its etl.started
 * comes before its etl.completed. A lease that could not be renewed means that the job is somebody
 * else's: it is dropped silently, and what is left of it is left to the other.
 */
#include "etld/job/jobs.h"

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "etld/job/errand.h"
#include "etld/job/job.h"
#include "etld/job/job_events.h"
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
	bool waiting;       /* for something else, before the next portion */
	void (*on_drained)(void *arg);
	void *drained_arg;
	struct errand_env env;
	struct job job;
	const struct errand_kind *kind;
	void *errand; /* NULL: not begun */
};

static void give_back(struct jobs *j);

static void forget(struct jobs *j)
{
	if (j->errand != NULL)
		j->kind->end(j->errand);
	j->errand = NULL;
	job_forget(&j->job);
}

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
	forget(j);
	again_in(j, 0);
}

/* ---- the end */

static void on_closed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	(void)r; /* left behind it does no harm: its keys are rebuilt for nobody */
	(void)e;
	forget(j);
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
		forget(j);
		again_in(j, LOOK_EVERY_MS);
	} else if (pgresult_rows(r, 0) == 0) {
		lost(j);
	} else if (strcmp(pgresult_text(r, 0, 0, 1), "queued") == 0) {
		forget(j);
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

static void finish_job(struct jobs *j)
{
	const char *params[] = {j->job.claim[CLAIM_ID], j->job.claim[CLAIM_ATTEMPT],
				daemon_instance(j->daemon), j->job.rows_in, j->job.rows_out};

	run(j->control, j, &SQL_etld_finish_job, params, on_finished);
}

static void on_completed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	(void)r;
	if (e != NULL) /* still ours: look again */
		again_in(j, LOOK_EVERY_MS);
	else
		finish_job(j);
}

/* etl.completed first: told twice it is told once, and a refresh has told it with its data. */
static void finish(struct jobs *j)
{
	char **claim = j->job.claim, duration_ms[24];
	const char *params[] = {claim[CLAIM_ID],     claim[CLAIM_ATTEMPT],
				claim[CLAIM_TENANT], claim[CLAIM_PROJECTION],
				claim[CLAIM_KIND],   claim[CLAIM_TRIGGER],
				j->job.rows_in,      j->job.rows_out,
				duration_ms,         VERSION};

	(void)snprintf(duration_ms, sizeof(duration_ms), "%lld",
		       (long long)(clock_mono_ms() - j->job.claimed_ms));
	run(j->warehouse, j, &SQL_etld_complete_job, params, on_completed);
}

/* ---- the work */

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
	else if (e == NULL && j->options.timeout_ms > 0 &&
		 pgresult_i64(r, 0, 0, 0) > j->options.timeout_ms)
		/* what is left must not be done under the name of a job that failed */
		run(j->warehouse, j, &SQL_etld_close_job, params, on_withdrawn);
	else
		again_in(j, j->waiting || e != NULL ? LOOK_EVERY_MS : 0);
}

static void renew(struct jobs *j)
{
	const char *params[] = {j->job.claim[CLAIM_ID], j->job.claim[CLAIM_ATTEMPT],
				daemon_instance(j->daemon), j->lease, j->job.progress};

	run(j->control, j, &SQL_etld_heartbeat_job, params, on_renewed);
}

static void on_portion(void *arg, enum errand_outcome outcome, enum job_reason reason,
		       const char *why)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	j->waiting = outcome == ERRAND_WAIT;
	switch (outcome) {
	case ERRAND_MORE:
	case ERRAND_WAIT:
		renew(j);
		break;
	case ERRAND_DONE:
		finish(j);
		break;
	case ERRAND_LOST:
		lost(j);
		break;
	case ERRAND_FAILED:
		fail(j, reason, why);
		break;
	}
}

static void work(struct jobs *j)
{
	j->busy = true;
	if (j->errand == NULL) {
		j->kind = errand_find(j->job.claim[CLAIM_KIND]);
		ASSERT(j->kind != NULL); /* it was claimed by kind */
		j->errand = j->kind->begin(&j->env, &j->job);
	}
	j->kind->portion(j->errand, on_portion, j);
}

static void on_told(void *arg)
{
	struct jobs *j = arg;

	OBJ_CHECK(j, JOBS_MAGIC);
	if (j->job.claim[CLAIM_ID] == NULL)
		again_in(j, LOOK_EVERY_MS);
	else
		work(j);
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
	j->job.claimed_ms = clock_mono_ms();
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
	const char *params[] = {daemon_instance(j->daemon), j->lease, NULL};

	OBJ_CHECK(j, JOBS_MAGIC);
	params[2] = errand_kinds(j->options.lasting ? ERRANDS_LASTING : ERRANDS_SHORT);
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
		work(j);
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
	j->env = (struct errand_env){d, control, warehouse, o->redis, o->signer, o->publisher};
	j->events = job_events_new(control, warehouse);
	(void)snprintf(j->lease, sizeof(j->lease), "%lld ms", (long long)o->lease_ms);
	forget(j);
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
	forget(j);
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
	forget(j);
	job_events_free(j->events);
	j->magic = 0;
	free(j);
}
