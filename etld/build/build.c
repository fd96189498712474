/*
 * Backfill; see build.h.
 *
 *   [find batches … ─▶] open ─▶ watch … ─(no keys are left)─▶ compare a tenant … ─▶ switch ─▶ done
 *
 * A window of days is a refresh, and is left to that.
 */
#include "etld/build/build.h"

#include <errno.h>

#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "etld/build/versions.h"
#include "etld/job/refresh.h"
#include "sql_gen.h"

#define BUILD_MAGIC        OBJ_MAGIC('b')
#define STATEMENT_LIMIT_MS 60000
#define FIND_LIMIT_MS      600000 /* the last step reads an index of the typed events */
#define FIND_KEYS          "20000"
#define PARAMS_MAX         4096

struct build {
	unsigned magic;
	struct versions_env env;
	struct job *job;
	const struct consumer *consumer;
	void *refresh; /* of a window; NULL: a version is built */
	bool opened, hold, reread;
	bool found;     /* the batches to read again */
	struct err bad; /* the parameters are */
	errand_fn fn;   /* of the portion under way */
	void *arg;
};

/* A parameter that may be left out; the error stops the errand before it does anything. */
static void take_flag(struct build *b, const struct json *asked, const char *name, bool *ret)
{
	const struct json *given = json_get(asked, name);

	if (given != NULL && b->bad.code == 0 && json_bool(given, name, ret, &b->bad) < 0)
		*ret = false;
}

static void *begin(const struct errand_env *env, struct job *job)
{
	struct build *b = xcalloc(1, sizeof(*b));
	struct json *asked = NULL;

	b->magic = BUILD_MAGIC;
	b->env = (struct versions_env){env->control, env->warehouse, env->publisher};
	b->job = job;
	if (job->claim[CLAIM_PROJECTION] != NULL)
		b->consumer = consumer_of_table(job->claim[CLAIM_PROJECTION]);
	if (json_parse(slice_of(job->claim[CLAIM_PARAMS]), PARAMS_MAX, &asked, &b->bad) < 0)
		return b;
	take_flag(b, asked, "hold", &b->hold);
	take_flag(b, asked, "reread", &b->reread);
	if (json_get(asked, "from") != NULL || json_get(asked, "to") != NULL) {
		if (b->reread)
			(void)err_set(&b->bad, -EINVAL,
				      "events are read again of all days, not of some");
		else
			b->refresh = errand_refresh.begin(env, job);
	}
	json_free(asked);
	return b;
}

static void end(void *errand)
{
	struct build *b = errand;

	if (b->refresh != NULL)
		errand_refresh.end(b->refresh);
	b->magic = 0;
	free(b);
}

static void told(struct build *b, enum errand_outcome o)
{
	b->fn(b->arg, o, JOB_ERROR, NULL);
}

static void failed(struct build *b, enum job_reason reason, const char *why)
{
	b->fn(b->arg, ERRAND_FAILED, reason, why);
}

static void on_advanced(void *arg, enum versions_step step, const struct err *e)
{
	struct build *b = arg;

	OBJ_CHECK(b, BUILD_MAGIC);
	switch (step) {
	case VERSIONS_COMPARING:
		told(b, ERRAND_MORE);
		break;
	case VERSIONS_WAITING:
		told(b, ERRAND_WAIT);
		break;
	case VERSIONS_SWITCHED:
	case VERSIONS_HELD:
		told(b, ERRAND_DONE);
		break;
	case VERSIONS_ERROR:
		if (e->sqlstate[0] == '\0') /* the connection: the lease runs on */
			told(b, ERRAND_WAIT);
		else
			failed(b, JOB_ERROR, e->msg);
		break;
	}
}

/* One row: (touches, touches_left, rows_in, rows_out); none: it was withdrawn by somebody else. */
static void on_read(void *arg, const struct pgresult *r, const struct err *e)
{
	struct build *b = arg;
	struct job *job = b->job;
	int64_t touches, left;

	OBJ_CHECK(b, BUILD_MAGIC);
	if (e != NULL) { /* the lease runs on; look again */
		told(b, ERRAND_WAIT);
		return;
	}
	if (pgresult_rows(r, 0) == 0) {
		told(b, ERRAND_LOST);
		return;
	}
	touches = pgresult_i64(r, 0, 0, 0);
	left = pgresult_i64(r, 0, 0, 1);
	(void)snprintf(job->rows_in, sizeof(job->rows_in), "%s", pgresult_text(r, 0, 0, 2));
	(void)snprintf(job->rows_out, sizeof(job->rows_out), "%s", pgresult_text(r, 0, 0, 3));
	(void)snprintf(job->progress, sizeof(job->progress), "0.%03d",
		       (int)(999 * (touches - left) / touches));
	if (left > 0)
		told(b, ERRAND_WAIT);
	else
		versions_advance(&b->env, b->consumer, job->claim[CLAIM_ID], b->hold, on_advanced,
				 b);
}

static void on_recorded(void *arg, const struct err *e)
{
	struct build *b = arg;

	OBJ_CHECK(b, BUILD_MAGIC);
	(void)e; /* the switch records it again */
	told(b, ERRAND_MORE);
}

/* One row: (touches). */
static void on_opened(void *arg, const struct pgresult *r, const struct err *e)
{
	struct build *b = arg;

	OBJ_CHECK(b, BUILD_MAGIC);
	if (e != NULL) {
		failed(b, JOB_ERROR, e->msg);
	} else if (pgresult_i64(r, 0, 0, 0) == 0) {
		failed(b, JOB_SOURCE_NOT_READY, "nothing that it is built from has landed");
	} else {
		b->opened = true;
		versions_do(&b->env, VERSIONS_RECORD, b->consumer, on_recorded, b);
	}
}

/* One row: (done). */
static void on_found(void *arg, const struct pgresult *r, const struct err *e)
{
	struct build *b = arg;

	OBJ_CHECK(b, BUILD_MAGIC);
	if (e != NULL) {
		failed(b, JOB_ERROR, e->msg);
		return;
	}
	b->found = pgresult_bool(r, 0, 0, 0);
	told(b, ERRAND_MORE);
}

static void find_batches(struct build *b)
{
	const char *params[] = {b->job->claim[CLAIM_ID], b->consumer->name, FIND_KEYS};

	pgpool_exec(b->env.warehouse, NULL, &SQL_etld_find_batches, params, FIND_LIMIT_MS, on_found,
		    b);
}

static void open_build(struct build *b)
{
	char **claim = b->job->claim;
	const char *params[] = {claim[CLAIM_ID],         claim[CLAIM_ATTEMPT],
				claim[CLAIM_PROJECTION], NULL,
				claim[CLAIM_TRIGGER],    b->reread ? "true" : "false"};

	if (b->bad.code < 0) {
		failed(b, JOB_UNSUPPORTED, b->bad.msg);
	} else if (b->consumer == NULL) {
		failed(b, JOB_UNSUPPORTED, "this etld has no such projection");
	} else if (claim[CLAIM_TENANT] != NULL) {
		failed(b, JOB_UNSUPPORTED, "a version is built for all tenants");
	} else if (b->reread && !b->found) {
		find_batches(b);
	} else {
		params[3] = b->consumer->name;
		pgpool_exec(b->env.warehouse, NULL, &SQL_etld_open_build, params,
			    STATEMENT_LIMIT_MS, on_opened, b);
	}
}

static void portion(void *errand, errand_fn fn, void *arg)
{
	struct build *b = errand;
	const char *params[] = {b->job->claim[CLAIM_ID]};

	OBJ_CHECK(b, BUILD_MAGIC);
	b->fn = fn;
	b->arg = arg;
	if (b->refresh != NULL)
		errand_refresh.portion(b->refresh, fn, arg);
	else if (b->opened)
		pgpool_exec(b->env.warehouse, NULL, &SQL_etld_read_job, params, STATEMENT_LIMIT_MS,
			    on_read, b);
	else
		open_build(b);
}

const struct errand_kind errand_backfill = {"backfill", begin, portion, end, true};
