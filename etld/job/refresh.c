/*
 * Refresh; see refresh.h.
 *
 *   open ─▶ watch ─(some are left)─▶ watch … ─(none)─▶ done
 */
#include "etld/job/refresh.h"

#include "common/base/xalloc.h"
#include "sql_gen.h"

#define REFRESH_MAGIC      OBJ_MAGIC('r')
#define STATEMENT_LIMIT_MS 60000

struct refresh {
	unsigned magic;
	struct pgpool *warehouse;
	struct job *job;
	bool opened;
	errand_fn fn; /* of the portion under way */
	void *arg;
};

static void *begin(const struct errand_env *env, struct job *job)
{
	struct refresh *r = xcalloc(1, sizeof(*r));

	r->magic = REFRESH_MAGIC;
	r->warehouse = env->warehouse;
	r->job = job;
	return r;
}

static void end(void *errand)
{
	struct refresh *r = errand;

	r->magic = 0;
	free(r);
}

static void told(struct refresh *r, enum errand_outcome o)
{
	r->fn(r->arg, o, JOB_ERROR, NULL);
}

/* One row: (touches, landed). */
static void on_opened(void *arg, const struct pgresult *res, const struct err *e)
{
	struct refresh *r = arg;

	OBJ_CHECK(r, REFRESH_MAGIC);
	if (e != NULL) {
		r->fn(r->arg, ERRAND_FAILED, JOB_ERROR, e->msg);
	} else if (pgresult_i64(res, 0, 0, 0) > 0) {
		r->opened = true;
		told(r, ERRAND_MORE);
	} else {
		r->fn(r->arg, ERRAND_FAILED, JOB_SOURCE_NOT_READY,
		      pgresult_bool(res, 0, 0, 1)
			      ? "a table that it reads has landed events and is not built yet"
			      : "nothing that it is built from has landed");
	}
}

static void open_job(struct refresh *r)
{
	char **claim = r->job->claim;
	const struct consumer *consumer = claim[CLAIM_PROJECTION] != NULL
						  ? consumer_of_table(claim[CLAIM_PROJECTION])
						  : NULL;
	const char *params[] = {claim[CLAIM_ID],
				claim[CLAIM_ATTEMPT],
				claim[CLAIM_TENANT],
				claim[CLAIM_PROJECTION],
				consumer != NULL ? consumer->name : NULL,
				claim[CLAIM_TRIGGER],
				claim[CLAIM_DEPENDENCIES],
				claim[CLAIM_DEPENDENCY_CONSUMERS],
				claim[CLAIM_PARAMS]};

	if (consumer == NULL)
		r->fn(r->arg, ERRAND_FAILED, JOB_UNSUPPORTED, "this etld has no such projection");
	else
		pgpool_exec(r->warehouse, NULL, &SQL_etld_open_job, params, STATEMENT_LIMIT_MS,
			    on_opened, r);
}

/* One row: (touches, touches_left, rows_in, rows_out); none: it was withdrawn by somebody else. */
static void on_read(void *arg, const struct pgresult *res, const struct err *e)
{
	struct refresh *r = arg;
	struct job *job = r->job;
	int64_t touches, left;

	OBJ_CHECK(r, REFRESH_MAGIC);
	if (e != NULL) { /* the lease runs on; look again */
		told(r, ERRAND_WAIT);
		return;
	}
	if (pgresult_rows(res, 0) == 0) {
		told(r, ERRAND_LOST);
		return;
	}
	touches = pgresult_i64(res, 0, 0, 0);
	left = pgresult_i64(res, 0, 0, 1);
	(void)snprintf(job->rows_in, sizeof(job->rows_in), "%s", pgresult_text(res, 0, 0, 2));
	(void)snprintf(job->rows_out, sizeof(job->rows_out), "%s", pgresult_text(res, 0, 0, 3));
	(void)snprintf(job->progress, sizeof(job->progress), "0.%03d",
		       (int)(999 * (touches - left) / touches));
	told(r, left == 0 ? ERRAND_DONE : ERRAND_WAIT);
}

static void portion(void *errand, errand_fn fn, void *arg)
{
	struct refresh *r = errand;
	const char *params[] = {r->job->claim[CLAIM_ID]};

	OBJ_CHECK(r, REFRESH_MAGIC);
	r->fn = fn;
	r->arg = arg;
	if (r->opened)
		pgpool_exec(r->warehouse, NULL, &SQL_etld_read_job, params, STATEMENT_LIMIT_MS,
			    on_read, r);
	else
		open_job(r);
}

const struct errand_kind errand_refresh = {"refresh", begin, portion, end, false};
