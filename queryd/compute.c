/*
 * Jobs of metrics:compute; see compute.h.
 *
 *   parsed ─▶ looked up ─┬─ hit ──────────────────────────────▶ answered
 *                        ├─ an equal job runs ─▶ waits for it ─▶ answered
 *                        └─ runs ─▶ stored in the cache ───────▶ answered, and who waits for it
 */
#include "queryd/compute.h"

#include <errno.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/xalloc.h"
#include "queryd/answer.h"
#include "queryd/run.h"

#define JOB_MAGIC OBJ_MAGIC('J')
/* How old a running job may be for one that does not know the data's version to wait for it. */
#define SHARE_UNSURE_MS 500

TAILQ_HEAD(jobs, job);

struct job {
	unsigned magic;
	struct compute *compute;
	TAILQ_ENTRY(job) link;      /* of the running ones, or of who waits for `leader` */
	struct httpd_request *http; /* NULL: its client left */
	struct arena *arena;
	struct metric_set *metrics; /* held for the request's metric */
	struct request request;
	struct run run;
	const char *tenant_id, *scope;
	char key[CACHE_KEY_LEN + 1], versions[CACHE_VERSIONS_MAX];
	enum quality quality;
	bool partial;
	const char *cache;       /* what X-Cache says unless it is a hit */
	int64_t started_mono_us; /* of its query */
	struct query *query;     /* running */
	bool cancelled;          /* nobody may wait for it any more */
	struct job *leader;
	struct jobs waiters;
};

struct compute {
	struct queryd *st;
	struct jobs running;
	struct metric_family *outcomes;
	struct metric *seconds, *bytes;
};

/* ---- what explain needs too */

const struct metric_def *compute_metric(const struct call *c, int64_t version)
{
	const struct metric_def *m = metric_find(registry_metrics(c->st->registry),
						 httpd_param(c->http, "key"), version);

	if (m == NULL)
		httpd_reply_problem(c->http, PROBLEM_METRIC_NOT_FOUND,
				    version == 0 ? "There is no metric of that name."
						 : "There is no such version of the metric.");
	return m;
}

bool compute_in_scope(const struct call *c, const struct request *r)
{
	const struct principal *p = c->principal;
	const struct value_list *asked = &r->in[DIM_PROPERTY];
	bool ok = p->all_properties || p->nproperties > 0;

	for (size_t i = 0; i < asked->n && ok; i++)
		ok = principal_may_see(p, asked->values[i]);
	if (!ok)
		httpd_reply_problem(c->http, PROBLEM_PROPERTY_SCOPE_VIOLATION,
				    "The token does not reach the property asked for.");
	return ok;
}

int32_t compute_resolve(const struct call *c, struct request *r)
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
	request_resolve(r, today);
	return today;
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

static void job_free(struct job *j)
{
	metric_set_unref(j->metrics);
	arena_free(j->arena);
	j->magic = 0;
	free(j);
}

static void reply_problem(struct job *j, enum problem_code code, const char *detail)
{
	if (j->http != NULL)
		httpd_reply_problem(j->http, code, detail);
	job_free(j);
}

static void reply(struct job *j, struct answer *a)
{
	a->key = j->key;
	a->quality = j->quality;
	a->partial = j->partial;
	metric_add(metrics_with(j->compute->outcomes, (const char *const[]){a->cache}), 1);
	if (j->http != NULL)
		answer_send(j->http, a);
	job_free(j);
}

/* The job and all that wait for it. */
static void end_all(struct job *j, struct answer *a, enum problem_code code, const char *detail)
{
	struct job *k;

	TAILQ_REMOVE(&j->compute->running, j, link);
	while ((k = TAILQ_FIRST(&j->waiters)) != NULL) {
		TAILQ_REMOVE(&j->waiters, k, link);
		if (a != NULL)
			reply(k, a);
		else
			reply_problem(k, code, detail);
	}
	if (a != NULL)
		reply(j, a);
	else
		reply_problem(j, code, detail);
}

/* ---- computing */

static int64_t sum(const int64_t *v, size_t n)
{
	int64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += v[i];
	return total;
}

/* The part of the answer that is cached. */
static void write_data(const struct job *j, const struct cells *cells,
		       const struct run_report *report, struct strbuf *out)
{
	const struct metric_def *m = j->request.metric;
	struct json_writer w;

	jw_init(&w, out);
	jw_object(&w);
	jw_key(&w, "columns");
	cells_write_columns(cells, &w);
	jw_key(&w, "rows");
	cells_write_rows(cells, &w);
	jw_key(&w, "totals");
	cells_write_totals(cells, &w);
	jw_key(&w, "truncated");
	jw_bool(&w, false);
	jw_key(&w, "nextCursor");
	jw_null(&w);
	jw_key(&w, "dateRange");
	request_write_window(&j->request, &w);
	jw_key(&w, "metricVersions");
	jw_object(&w);
	jw_key(&w, m->key);
	jw_i64(&w, m->version);
	jw_end(&w);
	jw_key(&w, "definitionHashes");
	jw_object(&w);
	jw_key(&w, m->key);
	jw_str(&w, m->hash);
	jw_end(&w);
	jw_key(&w, "dataVersion");
	jw_i64(&w, sum(report->versions, j->run.ntables));
	jw_end(&w);
}

static void on_computed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct job *j = arg;
	struct compute *c = j->compute;
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	struct run_report report;
	const struct cells *cells;
	struct strbuf data = STRBUF_INIT;
	struct answer a;

	OBJ_CHECK(j, JOB_MAGIC);
	j->query = NULL;
	if (e != NULL) {
		end_all(j, NULL, compute_problem(e), "The query could not be answered in time.");
		return;
	}
	cells = run_cells(&j->run, r, (size_t)conf->result_cells, j->arena);
	if (cells == NULL) {
		end_all(j, NULL, PROBLEM_QUERY_REJECTED,
			"The result would be too large: ask for fewer groups or periods.");
		return;
	}
	run_report(&j->run, r, &report);
	write_data(j, cells, &report, &data);
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
static struct job *find_leader(const struct job *j)
{
	int64_t now_us = clock_mono_us();
	struct job *k;

	TAILQ_FOREACH (k, &j->compute->running, link) {
		bool young = now_us - k->started_mono_us < SHARE_UNSURE_MS * 1000;

		if (!k->cancelled && strcmp(k->key, j->key) == 0 &&
		    strcmp(k->versions, j->versions) == 0 && (j->versions[0] != '\0' || young))
			return k;
	}
	return NULL;
}

static void run_job(struct job *j, struct tenant *n)
{
	struct job *leader = find_leader(j);

	if (leader != NULL) {
		j->leader = leader;
		TAILQ_INSERT_TAIL(&leader->waiters, j, link);
		return;
	}
	j->started_mono_us = clock_mono_us();
	TAILQ_INSERT_TAIL(&j->compute->running, j, link);
	j->query = tenant_query(n, j->scope, j->run.stmts, j->run.nstmts, on_computed, j);
}

static void on_tenant_again(void *arg, const struct err *e)
{
	struct job *j = arg;

	OBJ_CHECK(j, JOB_MAGIC);
	if (e != NULL || j->http == NULL)
		reply_problem(j, PROBLEM_UNAVAILABLE,
			      "The tenant's data cannot be reached right now.");
	else
		run_job(j, tenants_find(j->compute->st->tenants, j->tenant_id));
}

/* ---- looking it up */

static void on_looked_up(void *arg, enum cache_outcome outcome, const char *versions,
			 struct slice value)
{
	struct job *j = arg;
	struct queryd *st = j->compute->st;
	struct tenant *n;

	OBJ_CHECK(j, JOB_MAGIC);
	if (j->http == NULL) {
		job_free(j);
		return;
	}
	if (outcome == CACHE_HIT && watch_current(st->watch)) {
		struct answer a = {.data = value, .versions = versions, .cache = "HIT"};

		watch_pending(st->watch, j->tenant_id, &a.now_us, &a.oldest_us);
		reply(j, &a);
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

/* ---- the request */

static bool awaited(const struct job *leader)
{
	return leader->http != NULL || !TAILQ_EMPTY(&leader->waiters);
}

/* Its client left, or its deadline passed. */
static void on_gone(void *arg)
{
	struct job *j = arg, *leader = j->leader;

	OBJ_CHECK(j, JOB_MAGIC);
	httpd_reply_problem(j->http, PROBLEM_QUERY_TIMEOUT, "The query took too long.");
	j->http = NULL;
	if (leader != NULL) {
		TAILQ_REMOVE(&leader->waiters, j, link);
		job_free(j);
	} else {
		leader = j;
	}
	if (leader->query != NULL && !awaited(leader)) {
		leader->cancelled = true;
		query_cancel(leader->query);
	}
}

static struct job *job_new(const struct call *c)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->magic = JOB_MAGIC;
	j->compute = c->st->compute;
	j->http = c->http;
	j->arena = arena_new();
	j->metrics = metric_set_ref(registry_metrics(c->st->registry));
	j->tenant_id = arena_strdup(j->arena, c->principal->tenant_id);
	j->scope = arena_strdup(j->arena, c->principal->scope);
	TAILQ_INIT(&j->waiters);
	return j;
}

/* false: answered. */
static bool read_request(const struct call *c, struct job *j)
{
	struct slice body = httpd_body(c->http);
	struct faults faults = {.n = 0};
	int64_t version = request_version(body, j->arena, &faults);
	const struct metric_def *m;

	if (faults.n > 0) {
		httpd_reply_violations(c->http, faults.v, faults.n);
		return false;
	}
	m = compute_metric(c, version);
	if (m == NULL)
		return false;
	request_read(body, m, j->arena, &j->request, &faults);
	if (faults.n > 0) {
		httpd_reply_violations(c->http, faults.v, faults.n);
		return false;
	}
	return compute_in_scope(c, &j->request);
}

void compute_serve(const struct call *c)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	struct job *j = job_new(c);
	int32_t today;

	if (!read_request(c, j)) {
		job_free(j);
		return;
	}
	today = compute_resolve(c, &j->request);
	j->partial = j->request.to >= today;
	run_prepare(&j->run, &j->request, j->arena);
	j->quality = tenant_quality(c->tenant, j->run.tables);
	cache_key(&(struct cache_scope){.tenant_id = j->tenant_id,
					.properties = j->scope,
					.permissions = c->principal->permissions,
					.request = &j->request},
		  j->key);
	httpd_set_deadline(c->http, conf->query_timeout, PROBLEM_QUERY_TIMEOUT);
	httpd_set_gone(c->http, on_gone, j);
	cache_lookup(c->st->cache, j->tenant_id, j->run.tables, j->key, on_looked_up, j);
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
