/*
 * Jobs of structured queries; see compute.h.
 *
 *   read ─▶ looked up ─┬─ hit ──────────────────────────────▶ answered
 *                      ├─ an equal job runs ─▶ waits for it ─▶ answered
 *                      └─ admitted (cost.h) ─▶ runs ─▶ stored ─▶ answered, and who waits for it
 */
#include "queryd/compute/compute.h"

#include <errno.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/timestamp.h"
#include "common/xalloc.h"
#include "queryd/cost/cost.h"
#include "queryd/compute/cursor.h"
#include "queryd/compute/result.h"

#define JOB_MAGIC OBJ_MAGIC('J')
/* How old a running job may be for one that does not know the data's version to wait for it. */
#define SHARE_UNSURE_MS 500

TAILQ_HEAD(jobs, compute_job);

struct compute_job {
	unsigned magic;
	struct compute *compute;
	TAILQ_ENTRY(compute_job) link; /* of the running ones, or of who waits for `leader` */
	compute_fn fn;                 /* NULL: cancelled */
	void *arg;
	struct arena *arena;
	struct metric_set *platform, *own; /* held for the request's metrics */
	const struct request *request;
	struct run run;
	const char *tenant_id, *scope, *actor_id;
	struct cost_question cost;
	int64_t charged;
	bool starting, ended; /* inside compute_run(), which frees it */
	char key[CACHE_KEY_LEN + 1], question[CACHE_KEY_LEN + 1], versions[CACHE_VERSIONS_MAX];
	enum quality quality;
	bool partial;
	const char *cache;       /* what X-Cache says unless it is a hit */
	int64_t started_mono_us; /* of its query */
	struct query *query;     /* running */
	bool given_up;           /* nobody may wait for it any more */
	struct compute_job *leader;
	struct jobs waiters;
};

struct compute {
	struct queryd *st;
	struct jobs running;
	struct metric_family *outcomes;
	struct metric *seconds, *bytes;
};

/* ---- reading a query */

const struct metric_def *compute_find(void *arg, const char *key, int64_t version)
{
	const struct call *c = arg;

	const struct metric_set *own = tenant_metrics(c->tenant);
	const struct metric_def *m = metric_find(registry_metrics(c->st->registry), key, version);

	return m == NULL && own != NULL ? metric_find(own, key, version) : m;
}

bool compute_in_scope(const struct call *c, const struct request *r)
{
	const struct principal *p = c->principal;
	const struct value_list *lists[] = {&r->in[DIM_PROPERTY], &r->out[DIM_PROPERTY]};
	bool ok = p->all_properties || p->nproperties > 0;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		for (size_t i = 0; i < lists[l]->n && ok; i++)
			ok = principal_may_see(p, lists[l]->values[i]);
	}
	return ok;
}

/* The end of the minute: what is asked as of now has one key, and one answer, for so long. */
static const char *end_of_minute(struct arena *a)
{
	const int64_t minute = (int64_t)60 * 1000 * 1000;
	char text[TIMESTAMP_TEXT_MAX];

	timestamp_format((clock_wall_us() / minute + 1) * minute, text);
	return arena_strdup(a, text);
}

bool compute_resolve(const struct call *c, struct request *r, struct arena *a)
{
	const struct value_list *asked = &r->in[DIM_PROPERTY];
	const struct principal *p = c->principal;
	const char *property = NULL;
	int32_t today;

	if (asked->n == 1)
		property = asked->values[0];
	else if (!p->all_properties && p->nproperties == 1)
		property = p->properties[0];
	today = tenant_today(c->tenant, property);
	request_resolve(r, today, tenant_week_start(c->tenant));
	if (r->as_of == NULL && request_has_history(r)) {
		r->as_of = end_of_minute(a);
		r->as_of_now = true;
	}
	return r->to >= today;
}

const char *compute_unreadable(const struct call *c, const struct request *r, struct arena *a)
{
	const struct residency *residency = tenant_residency(c->tenant);
	struct window windows[WINDOWS_MAX];
	const char *why = NULL;
	size_t n = request_windows(r, windows);

	for (size_t w = 0; w < n && why == NULL; w++) {
		why = residency_refusal(residency, windows[w].from, windows[w].to, a);
		for (size_t s = 0; s < SOURCE_COUNT && why == NULL; s++) {
			int32_t lag = request_uses_source(r, s) ? source_lag_days(&sources[s]) : 0;

			if (lag > 0)
				why = residency_refusal(residency, windows[w].from - lag,
							windows[w].to - lag, a);
		}
	}
	return why;
}

static int refuse(struct compute_outcome *ret, enum problem_code code, const char *detail)
{
	*ret = (struct compute_outcome){.code = code, .detail = detail};
	return -EINVAL;
}

int compute_read(const struct call *c, const struct json *query, struct arena *a,
		 struct request *ret, struct compute_outcome *ret_problem)
{
	struct faults *faults = arena_alloc(a, sizeof(*faults));
	struct call *mine = arena_alloc(a, sizeof(*mine));
	const char *unknown = NULL;

	*mine = *c;
	request_read_query(query, compute_find, mine, a, ret, &unknown, faults);
	if (unknown != NULL)
		return refuse(ret_problem, PROBLEM_METRIC_NOT_FOUND,
			      arena_printf(a, "There is no such metric, or no such version: %s.",
					   unknown));
	if (faults->n > 0) {
		*ret_problem = (struct compute_outcome){.code = PROBLEM_VALIDATION_FAILED,
							.detail = "The query is not valid.",
							.violations = faults->v,
							.nviolations = faults->n};
		return -EINVAL;
	}
	if (!compute_in_scope(c, ret))
		return refuse(ret_problem, PROBLEM_PROPERTY_SCOPE_VIOLATION,
			      "The token does not reach the property asked for.");
	return 0;
}

enum problem_code compute_problem(const struct err *e)
{
	switch (pg_error_class(e)) {
	case PG_ERROR_CONNECTION:
	case PG_ERROR_RETRY:
		return PROBLEM_UNAVAILABLE;
	case PG_ERROR_CANCELLED:
		return e->code == -ECANCELED ? PROBLEM_UNAVAILABLE : PROBLEM_QUERY_TIMEOUT;
	case PG_ERROR_UNIQUE:
	case PG_ERROR_DATA:
	case PG_ERROR_BUG:
		break;
	}
	if (e->code == -ETIMEDOUT)
		return PROBLEM_QUERY_TIMEOUT;
	if (e->sqlstate[0] == '\0')
		return PROBLEM_UNAVAILABLE;
	log_error("query failed", LOG_S("error", e->msg), LOG_S("sqlstate", e->sqlstate));
	return PROBLEM_INTERNAL;
}

/* ---- the end of a job */

static void job_free(struct compute_job *j)
{
	metric_set_unref(j->platform);
	metric_set_unref(j->own);
	arena_free(j->arena);
	j->magic = 0;
	free(j);
}

static void end(struct compute_job *j, const struct compute_outcome *o)
{
	if (j->fn != NULL)
		j->fn(j->arg, o);
	if (j->starting)
		j->ended = true;
	else
		job_free(j);
}

static void end_problem(struct compute_job *j, enum problem_code code, const char *detail)
{
	end(j, &(struct compute_outcome){.code = code, .detail = detail});
}

static void end_answer(struct compute_job *j, const struct answer *found)
{
	struct answer a = *found;

	a.key = j->key;
	a.quality = j->quality;
	a.partial = j->partial;
	metric_add(metrics_with(j->compute->outcomes, (const char *const[]){a.cache}), 1);
	end(j, &(struct compute_outcome){.answer = &a});
}

/* The job and all that wait for it. */
static void end_all(struct compute_job *j, const struct answer *a, enum problem_code code,
		    const char *detail)
{
	struct compute_job *k;

	TAILQ_REMOVE(&j->compute->running, j, link);
	while ((k = TAILQ_FIRST(&j->waiters)) != NULL) {
		TAILQ_REMOVE(&j->waiters, k, link);
		if (a != NULL)
			end_answer(k, a);
		else
			end_problem(k, code, detail);
	}
	if (a != NULL)
		end_answer(j, a);
	else
		end_problem(j, code, detail);
}

/* ---- computing */

/* Settles and logs what the job cost; bytes -1: not known. */
static void account(struct compute_job *j, const char *outcome, bool refused, int64_t bytes,
		    int64_t rows)
{
	cost_end(j->compute->st->cost, j->charged,
		 &(struct querylog_entry){.tenant_id = j->tenant_id,
					  .actor_id = j->actor_id,
					  .hash = j->question,
					  .kind = "structured",
					  .outcome = outcome,
					  .cache = j->cache,
					  .refused = refused,
					  .bytes = bytes,
					  .duration_us = clock_mono_us() - j->started_mono_us,
					  .rows = rows});
}

static void fail_all(struct compute_job *j, enum problem_code code, const char *detail,
		     int64_t bytes)
{
	account(j, problem_name(code), cost_is_refusal(code), bytes, 0);
	end_all(j, NULL, code, detail);
}

static struct slice seal_key(const struct compute *c)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);

	return slice_of(conf->scope_key_file);
}

static void on_computed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct compute_job *j = arg;
	struct compute *c = j->compute;
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	struct run_report report;
	struct cells *cells;
	const struct table *table;
	struct err bad = ERR_INIT;
	struct strbuf data = STRBUF_INIT;
	struct answer a;

	OBJ_CHECK(j, JOB_MAGIC);
	j->query = NULL;
	if (e != NULL) {
		fail_all(j, compute_problem(e), "The query could not be answered in time.", -1);
		return;
	}
	run_report(&j->run, r, &report);
	if (run_cells(&j->run, r, (size_t)conf->result_cells, j->arena, &cells, &bad) < 0) {
		fail_all(j, PROBLEM_QUERY_REJECTED, bad.msg, report.bytes);
		return;
	}
	table = table_new(cells, j->question, seal_key(c), j->arena);
	ASSERT(table != NULL); /* compute_run() has looked at the cursor */
	account(j, "ok", false, report.bytes, (int64_t)table_rows(table));
	result_write(&j->run, table, &report, &data);
	cache_store(c->st->cache, j->tenant_id, j->run.tables, report.versions, j->key,
		    strbuf_slice(&data));
	cache_versions_text(report.versions, j->run.ntables, j->versions);
	a = (struct answer){.data = strbuf_slice(&data),
			    .versions = j->versions,
			    .cache = j->cache,
			    .bytes = report.bytes,
			    .now_us = report.now_us,
			    .oldest_us = report.oldest_us,
			    .db_us = clock_mono_us() - j->started_mono_us};
	metric_observe(c->seconds, (double)a.db_us / 1e6);
	metric_add(c->bytes, report.bytes);
	end_all(j, &a, PROBLEM_COUNT, NULL);
	strbuf_clear(&data);
}

/* A running job whose result is as good as j's own would be. */
static struct compute_job *find_leader(const struct compute_job *j)
{
	int64_t now_us = clock_mono_us();
	struct compute_job *k;

	TAILQ_FOREACH (k, &j->compute->running, link) {
		bool young = now_us - k->started_mono_us < SHARE_UNSURE_MS * 1000;

		if (!k->given_up && strcmp(k->key, j->key) == 0 &&
		    strcmp(k->versions, j->versions) == 0 && (j->versions[0] != '\0' || young))
			return k;
	}
	return NULL;
}

static bool awaited(const struct compute_job *leader)
{
	return leader->fn != NULL || !TAILQ_EMPTY(&leader->waiters);
}

static void on_admitted(void *arg, enum problem_code verdict, const char *detail, int64_t charged,
			const struct err *e)
{
	struct compute_job *j = arg;
	struct queryd *st = j->compute->st;
	struct tenant *n;

	OBJ_CHECK(j, JOB_MAGIC);
	if (e != NULL) {
		fail_all(j, compute_problem(e), "The query could not be answered in time.", 0);
		return;
	}
	if (verdict != PROBLEM_COUNT) {
		fail_all(j, verdict, detail, 0);
		return;
	}
	n = tenants_find(st->tenants, j->tenant_id);
	if (n == NULL || !awaited(j)) {
		cost_refund(st->cost, j->tenant_id, charged);
		end_all(j, NULL, PROBLEM_UNAVAILABLE,
			"The tenant's data cannot be reached right now.");
		return;
	}
	j->charged = charged;
	j->query = tenant_query(n, j->scope, j->run.stmts, j->run.nstmts, on_computed, j);
}

static void run_job(struct compute_job *j, struct tenant *n)
{
	struct compute_job *leader = find_leader(j);

	if (leader != NULL) {
		j->leader = leader;
		TAILQ_INSERT_TAIL(&leader->waiters, j, link);
		return;
	}
	j->started_mono_us = clock_mono_us();
	run_statements(&j->run);
	TAILQ_INSERT_TAIL(&j->compute->running, j, link);
	/* one that asks for what was known once may read other tables: planned as it is */
	j->cost = (struct cost_question){
		.tenant_id = j->tenant_id, .scope = j->scope, .frozen = j->request->as_of == NULL};
	j->cost.stmts = run_reading(&j->run, &j->cost.n);
	cost_admit(j->compute->st->cost, n, &j->cost, on_admitted, j);
}

static void on_tenant_again(void *arg, const struct err *e)
{
	struct compute_job *j = arg;

	OBJ_CHECK(j, JOB_MAGIC);
	if (e != NULL || j->fn == NULL)
		end_problem(j, PROBLEM_UNAVAILABLE,
			    "The tenant's data cannot be reached right now.");
	else
		run_job(j, tenants_find(j->compute->st->tenants, j->tenant_id));
}

/* ---- looking it up */

static void on_looked_up(void *arg, enum cache_outcome outcome, const char *versions,
			 struct slice value)
{
	struct compute_job *j = arg;
	struct queryd *st = j->compute->st;
	struct tenant *n;

	OBJ_CHECK(j, JOB_MAGIC);
	if (j->fn == NULL) {
		end_problem(j, PROBLEM_UNAVAILABLE, "");
		return;
	}
	if (outcome == CACHE_HIT && watch_current(st->watch)) {
		struct answer a = {.data = value, .versions = versions, .cache = "HIT"};

		watch_pending(st->watch, j->tenant_id, &a.now_us, &a.oldest_us);
		end_answer(j, &a);
		return;
	}
	j->cache = outcome == CACHE_AWAY ? "BYPASS" : "MISS";
	(void)snprintf(j->versions, sizeof(j->versions), "%s", versions);
	n = tenants_find(st->tenants, j->tenant_id);
	if (n != NULL)
		run_job(j, n);
	else
		tenants_load(st->tenants, j->tenant_id, on_tenant_again, j);
}

/* ---- starting and leaving */

void compute_cancel(struct compute_job *j)
{
	struct compute_job *leader = j->leader;

	OBJ_CHECK(j, JOB_MAGIC);
	j->fn = NULL;
	if (leader != NULL) {
		TAILQ_REMOVE(&leader->waiters, j, link);
		end_problem(j, PROBLEM_UNAVAILABLE, "");
	} else {
		leader = j;
	}
	if (awaited(leader))
		return;
	leader->given_up = true;
	if (leader->query != NULL)
		query_cancel(leader->query);
}

struct compute_job *compute_run(const struct call *c, const struct request *r, struct arena *a,
				compute_fn fn, void *arg)
{
	struct compute_job *j = xcalloc(1, sizeof(*j));
	struct request *resolved = arena_alloc(a, sizeof(*resolved));
	struct cache_scope scope;
	struct slice position;
	const char *unreadable;

	*resolved = *r;
	*j = (struct compute_job){.magic = JOB_MAGIC,
				  .compute = c->st->compute,
				  .fn = fn,
				  .arg = arg,
				  .arena = a,
				  .request = resolved};
	TAILQ_INIT(&j->waiters);
	j->platform = metric_set_ref(registry_metrics(c->st->registry));
	if (tenant_metrics(c->tenant) != NULL)
		j->own = metric_set_ref(tenant_metrics(c->tenant));
	j->tenant_id = arena_strdup(a, c->principal->tenant_id);
	j->scope = arena_strdup(a, c->principal->scope);
	j->actor_id = arena_strdup(a, c->principal->user_id);
	j->partial = compute_resolve(c, resolved, a);
	unreadable = compute_unreadable(c, resolved, a);
	if (unreadable != NULL) {
		end_problem(j, PROBLEM_QUERY_REJECTED, unreadable);
		return NULL;
	}
	run_prepare(&j->run, resolved, a);
	j->quality = tenant_quality(c->tenant, j->run.tables);
	scope = (struct cache_scope){.tenant_id = j->tenant_id,
				     .properties = j->scope,
				     .permissions = c->principal->permissions,
				     .request = resolved};
	cache_key(&scope, j->key);
	cache_question(&scope, j->question);
	if (r->cursor != NULL &&
	    cursor_open(seal_key(j->compute), j->question, r->cursor, a, &position) < 0) {
		struct problem_violation v = {
			"cursor", "must be the nextCursor of an earlier answer to the same query"};

		end(j, &(struct compute_outcome){.code = PROBLEM_VALIDATION_FAILED,
						 .violations = &v,
						 .nviolations = 1});
		return NULL;
	}
	j->starting = true;
	cache_lookup(c->st->cache, j->tenant_id, j->run.tables, j->key, on_looked_up, j);
	j->starting = false;
	if (!j->ended)
		return j;
	job_free(j);
	return NULL;
}

struct compute_job *compute_start(const struct call *c, const struct json *query, compute_fn fn,
				  void *arg)
{
	struct arena *a = arena_new();
	struct compute_outcome problem;
	struct request request;

	if (compute_read(c, query, a, &request, &problem) == 0)
		return compute_run(c, &request, a, fn, arg);
	fn(arg, &problem);
	arena_free(a);
	return NULL;
}

struct compute *compute_new(struct queryd *st)
{
	struct compute *c = xcalloc(1, sizeof(*c));

	c->st = st;
	TAILQ_INIT(&c->running);
	c->outcomes = metrics_counter_family("query_results_total",
					     "Results by how the cache was used", "cache");
	c->seconds = metrics_histogram("query_seconds", "Time in the database of computed results",
				       METRICS_SECONDS, METRICS_SECONDS_COUNT);
	c->bytes = metrics_counter("query_bytes_total", "Bytes read for computed results");
	return c;
}

void compute_free(struct compute *c)
{
	ASSERT(c == NULL || TAILQ_EMPTY(&c->running));
	free(c);
}
