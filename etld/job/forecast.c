/*
 * Forecasts that arrive; see forecast.h.
 *
 *   look ─(not yet)─▶ look … ─▶ done, failed
 */
#include "etld/job/forecast.h"

#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "sql_gen.h"

#define FORECAST_MAGIC     OBJ_MAGIC('f')
#define STATEMENT_LIMIT_MS 60000

struct forecast {
	unsigned magic;
	struct pgpool *warehouse;
	struct job *job;
	char *event;  /* dedupe key; NULL: the job does not say */
	errand_fn fn; /* of the portion under way */
	void *arg;
};

static void *begin(const struct errand_env *env, struct job *job)
{
	struct forecast *f = xcalloc(1, sizeof(*f));
	struct json *params = NULL;
	const char *event;

	f->magic = FORECAST_MAGIC;
	f->warehouse = env->warehouse;
	f->job = job;
	if (json_parse(slice_of(job->claim[CLAIM_PARAMS]), 65536, &params, NULL) == 0) {
		event = json_string_or_null(json_get(params, "dedupeKey"));
		f->event = event != NULL ? xstrdup(event) : NULL;
	}
	json_free(params);
	return f;
}

static void end(void *errand)
{
	struct forecast *f = errand;

	free(f->event);
	f->magic = 0;
	free(f);
}

/* One row: (error, arrived, points, facts). */
static void on_looked(void *arg, const struct pgresult *r, const struct err *e)
{
	struct forecast *f = arg;
	struct job *job = f->job;
	const char *error;

	OBJ_CHECK(f, FORECAST_MAGIC);
	if (e != NULL && e->sqlstate[0] != '\0') {
		f->fn(f->arg, ERRAND_FAILED, JOB_ERROR, e->msg);
		return;
	}
	if (e != NULL) { /* no database: the lease runs on; look again */
		f->fn(f->arg, ERRAND_WAIT, JOB_ERROR, NULL);
		return;
	}
	error = pgresult_text(r, 0, 0, 0);
	if (error != NULL) {
		f->fn(f->arg, ERRAND_FAILED, JOB_ERROR, error);
		return;
	}
	(void)snprintf(job->rows_in, sizeof(job->rows_in), "%s", pgresult_text(r, 0, 0, 2));
	(void)snprintf(job->rows_out, sizeof(job->rows_out), "%s", pgresult_text(r, 0, 0, 3));
	f->fn(f->arg, pgresult_bool(r, 0, 0, 1) ? ERRAND_DONE : ERRAND_WAIT, JOB_ERROR, NULL);
}

static void portion(void *errand, errand_fn fn, void *arg)
{
	struct forecast *f = errand;
	const char *params[] = {f->job->claim[CLAIM_TENANT], f->event};

	OBJ_CHECK(f, FORECAST_MAGIC);
	f->fn = fn;
	f->arg = arg;
	if (params[0] == NULL || params[1] == NULL)
		fn(arg, ERRAND_FAILED, JOB_UNSUPPORTED, "the job names no tenant and event");
	else
		pgpool_exec(f->warehouse, NULL, &SQL_etld_look_for_forecast, params,
			    STATEMENT_LIMIT_MS, on_looked, f);
}

const struct errand_kind errand_forecast = {"forecast", false, begin, portion, end, false};
