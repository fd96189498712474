/* Errands of one statement; see question.h. */
#include "etld/job/question.h"

#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "sql_gen.h"

#define QUESTION_MAGIC     OBJ_MAGIC('q')
#define STATEMENT_LIMIT_MS 60000
#define PARAMS_MAX         65536

/* rows: 1 (error text, done boolean, rows_in bigint, rows_out bigint); error: why it never will be.
 */
struct wording {
	const struct sql_stmt *stmt;
	bool of_tenant;     /* its first parameter is the tenant */
	const char *member; /* of the job's parameters, its other one */
	const char *lacking;
};

static const struct wording forecast = {&SQL_etld_look_for_forecast, true, "dedupeKey",
					"the job names no tenant and event"};
static const struct wording horizon = {&SQL_etld_raise_horizon, false, "year",
				       "the job names no year"};

struct question {
	unsigned magic;
	const struct wording *wording;
	struct pgpool *warehouse;
	struct job *job;
	char *value;  /* of the member, or NULL */
	errand_fn fn; /* of the portion under way */
	void *arg;
};

static struct question *begin(const struct errand_env *env, struct job *job,
			      const struct wording *w)
{
	struct question *q = xcalloc(1, sizeof(*q));
	struct json *params = NULL;
	const char *value;

	q->magic = QUESTION_MAGIC;
	q->wording = w;
	q->warehouse = env->warehouse;
	q->job = job;
	if (json_parse(slice_of(job->claim[CLAIM_PARAMS]), PARAMS_MAX, &params, NULL) == 0) {
		value = json_string_or_null(json_get(params, w->member));
		q->value = value != NULL ? xstrdup(value) : NULL;
	}
	json_free(params);
	return q;
}

static void *begin_forecast(const struct errand_env *env, struct job *job)
{
	return begin(env, job, &forecast);
}

static void *begin_horizon(const struct errand_env *env, struct job *job)
{
	return begin(env, job, &horizon);
}

static void end(void *errand)
{
	struct question *q = errand;

	free(q->value);
	q->magic = 0;
	free(q);
}

static void note(char *out, size_t size, const char *rows)
{
	if (rows != NULL)
		(void)snprintf(out, size, "%s", rows);
}

static void on_answer(void *arg, const struct pgresult *r, const struct err *e)
{
	struct question *q = arg;
	struct job *job = q->job;
	const char *error = NULL;

	OBJ_CHECK(q, QUESTION_MAGIC);
	if (e != NULL && e->sqlstate[0] == '\0') { /* no database: the lease runs on; ask again */
		q->fn(q->arg, ERRAND_WAIT, JOB_ERROR, NULL);
		return;
	}
	error = e != NULL ? e->msg : pgresult_text(r, 0, 0, 0);
	if (error != NULL) {
		q->fn(q->arg, ERRAND_FAILED, JOB_ERROR, error);
		return;
	}
	note(job->rows_in, sizeof(job->rows_in), pgresult_text(r, 0, 0, 2));
	note(job->rows_out, sizeof(job->rows_out), pgresult_text(r, 0, 0, 3));
	q->fn(q->arg, pgresult_bool(r, 0, 0, 1) ? ERRAND_DONE : ERRAND_WAIT, JOB_ERROR, NULL);
}

static void portion(void *errand, errand_fn fn, void *arg)
{
	struct question *q = errand;
	const char *tenant = q->job->claim[CLAIM_TENANT];
	const char *params[] = {tenant, q->value};
	bool of_tenant = q->wording->of_tenant;

	OBJ_CHECK(q, QUESTION_MAGIC);
	q->fn = fn;
	q->arg = arg;
	if (q->value == NULL || (of_tenant && tenant == NULL))
		fn(arg, ERRAND_FAILED, JOB_UNSUPPORTED, q->wording->lacking);
	else
		pgpool_exec(q->warehouse, NULL, q->wording->stmt, of_tenant ? params : params + 1,
			    STATEMENT_LIMIT_MS, on_answer, q);
}

const struct errand_kind errand_forecast = {"forecast", begin_forecast, portion, end, false};
const struct errand_kind errand_horizon = {"horizon", begin_horizon, portion, end, false};
