/* The year of the horizon, raised; see horizon.h. */
#include "etld/job/horizon.h"

#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "sql_gen.h"

#define HORIZON_MAGIC      OBJ_MAGIC('h')
#define STATEMENT_LIMIT_MS 60000

struct horizon {
	unsigned magic;
	struct pgpool *warehouse;
	struct job *job;
	char year[24]; /* "": the job does not say */
	errand_fn fn;
	void *arg;
};

static void *begin(const struct errand_env *env, struct job *job)
{
	struct horizon *h = xcalloc(1, sizeof(*h));
	struct json *params = NULL;
	const char *year;

	h->magic = HORIZON_MAGIC;
	h->warehouse = env->warehouse;
	h->job = job;
	if (json_parse(slice_of(job->claim[CLAIM_PARAMS]), 65536, &params, NULL) == 0) {
		year = json_string_or_null(json_get(params, "year"));
		(void)snprintf(h->year, sizeof(h->year), "%s", year != NULL ? year : "");
	}
	json_free(params);
	return h;
}

static void end(void *errand)
{
	struct horizon *h = errand;

	h->magic = 0;
	free(h);
}

/* One row: (tenants). */
static void on_raised(void *arg, const struct pgresult *r, const struct err *e)
{
	struct horizon *h = arg;

	OBJ_CHECK(h, HORIZON_MAGIC);
	if (e != NULL && e->sqlstate[0] != '\0') {
		h->fn(h->arg, ERRAND_FAILED, JOB_ERROR, e->msg);
		return;
	}
	if (e != NULL) { /* no database; raised twice it is raised once */
		h->fn(h->arg, ERRAND_WAIT, JOB_ERROR, NULL);
		return;
	}
	(void)snprintf(h->job->rows_in, sizeof(h->job->rows_in), "%s", pgresult_text(r, 0, 0, 0));
	h->fn(h->arg, ERRAND_DONE, JOB_ERROR, NULL);
}

static void portion(void *errand, errand_fn fn, void *arg)
{
	struct horizon *h = errand;
	const char *params[] = {h->year};

	OBJ_CHECK(h, HORIZON_MAGIC);
	h->fn = fn;
	h->arg = arg;
	if (h->year[0] == '\0')
		fn(arg, ERRAND_FAILED, JOB_UNSUPPORTED, "the job names no year");
	else
		pgpool_exec(h->warehouse, NULL, &SQL_etld_raise_horizon, params, STATEMENT_LIMIT_MS,
			    on_raised, h);
}

const struct errand_kind errand_horizon = {"horizon", false, begin, portion, end, false};
