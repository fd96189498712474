/* metrics:compute and queries:run; see structured.h. */
#include "queryd/api/structured.h"

#include "queryd/adhoc/adhoc.h"
#include "queryd/compute/compute.h"
#include "queryd/compute/recall.h"
#include "queryd/compute/result.h"
#include "queryd/cost/budget.h"
#include "queryd/cost/cost.h"
#include "queryd/document/saved.h"
#include "queryd/document/snapshot.h"
#include "queryd/tenant/caller.h"

#define DEADLINE_MAX_MS 60000
#define TOO_LONG        "The query took too long."

/* One request that waits for its outcome; in the request's arena. */
struct asking {
	struct httpd_request *http;
	const struct snapshot_order *snapshot; /* NULL: the answer is not kept */
	struct compute_job *job;
};

/* Every answer to a query has these, also a refusal. */
static void set_default_headers(struct httpd_request *http)
{
	httpd_set_header(http, "X-Bytes-Scanned", "0");
	httpd_set_header(http, "X-Cache", "BYPASS");
}

static void reply(struct httpd_request *http, const struct compute_outcome *o)
{
	if (o->answer != NULL)
		answer_send(http, o->answer);
	else if (o->nviolations > 0)
		httpd_reply_violations(http, o->violations, o->nviolations);
	else
		budget_reply_problem(http, o->code, o->detail);
}

static void on_outcome(void *arg, const struct compute_outcome *o)
{
	const struct asking *k = arg;

	if (k->snapshot != NULL && o->answer != NULL)
		snapshot_send(k->snapshot, o->answer);
	else
		reply(k->http, o);
}

/* The client left, or its deadline passed: the answer is dropped. */
static void on_gone(void *arg)
{
	const struct asking *k = arg;
	struct compute_job *job = k->job;

	httpd_reply_problem(k->http, PROBLEM_QUERY_TIMEOUT, TOO_LONG);
	compute_cancel(job);
}

/* All of the request that its question depends on but the caller: the metric of the path, if there
 * is one, and the body. */
static struct slice text_of(const struct call *c)
{
	const char *key = httpd_param(c->http, "key");
	struct slice body = httpd_body(c->http);
	size_t n = key != NULL ? strlen(key) : 0;
	char *text = arena_alloc(httpd_arena(c->http), n + 1 + body.len);

	if (n > 0)
		memcpy(text, key, n);
	text[n] = '\n';
	if (body.len > 0)
		memcpy(text + n + 1, body.ptr, body.len);
	return (struct slice){text, n + 1 + body.len};
}

/* Takes the arena of the request. text: what is remembered of it; empty: nothing. */
static void start(const struct call *c, const struct request *r, struct arena *a,
		  int64_t deadline_ms, const struct snapshot_order *snapshot, struct slice text)
{
	struct asking *k = arena_alloc(httpd_arena(c->http), sizeof(*k));
	struct compute_job *job;

	k->http = c->http;
	k->snapshot = snapshot;
	httpd_set_deadline(c->http, deadline_ms, PROBLEM_QUERY_TIMEOUT);
	job = compute_run(c, r, a, on_outcome, k);
	if (job == NULL) /* answered, and k is gone with it */
		return;
	k->job = job;
	httpd_set_gone(c->http, on_gone, k);
	if (text.len > 0)
		compute_remember(job, c, text);
}

/* ---- metrics/{key}:compute */

/* false: answered. */
static bool read_metric(const struct call *c, const struct json *body, struct arena *a,
			struct request *ret)
{
	struct faults faults = {.n = 0};
	int64_t version = request_version(body, a, &faults);
	struct call mine = *c;
	const struct metric_def *m = NULL;

	if (faults.n == 0)
		m = compute_find(&mine, httpd_param(c->http, "key"), version);
	if (faults.n == 0 && m == NULL) {
		httpd_reply_problem(c->http, PROBLEM_METRIC_NOT_FOUND,
				    version == 0 ? "There is no metric of that name."
						 : "There is no such version of the metric.");
		return false;
	}
	if (m != NULL)
		request_read_metric(body, m, a, ret, &faults);
	if (faults.n > 0) {
		httpd_reply_violations(c->http, faults.v, faults.n);
		return false;
	}
	if (!compute_in_scope(c, ret)) {
		httpd_reply_problem(c->http, PROBLEM_PROPERTY_SCOPE_VIOLATION,
				    "The token does not reach the property asked for.");
		return false;
	}
	return true;
}

/* The parsed body; NULL: answered. */
static struct json *parse(const struct call *c, struct arena *a)
{
	struct faults faults = {.n = 0};
	struct json *body = request_parse(httpd_body(c->http), a, &faults);

	if (body == NULL)
		httpd_reply_violations(c->http, faults.v, faults.n);
	return body;
}

static void compute(const struct call *c)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	struct arena *a = arena_new();
	struct request request;
	struct json *body;
	bool ok;

	set_default_headers(c->http);
	body = parse(c, a);
	ok = body != NULL && read_metric(c, body, a, &request);
	json_free(body);
	if (ok)
		start(c, &request, a, conf->query_timeout, NULL, text_of(c));
	else
		arena_free(a);
}

void structured_compute(const struct call *c)
{
	if (!recall_serve(c, text_of(c), compute))
		compute(c);
}

/* ---- queries:run */

/* Its JSON lives as long as the request. */
struct envelope {
	const struct json *query, *sql;
	const struct json *query_id; /* of a saved one, instead */
	const struct json *params;   /* of SQL */
	bool dry_run, snapshot;
	int64_t deadline_ms;
	struct slice text; /* of the request, when the question depends on nothing else */
};

static void read_member(const struct json *body, size_t i, struct arena *a, struct envelope *ret,
			struct faults *f)
{
	const char *name = json_key_at(body, i);
	const struct json *v = json_at(body, i);

	if (strcmp(name, "query") == 0) {
		ret->query = v;
	} else if (strcmp(name, "sql") == 0) {
		ret->sql = v;
		if (json_string_or_null(v) == NULL)
			faults_add(f, a, "sql", "must be a string");
	} else if (strcmp(name, "params") == 0) {
		ret->params = v;
	} else if (strcmp(name, "queryId") == 0) {
		ret->query_id = v;
		if (json_string_or_null(v) == NULL)
			faults_add(f, a, "queryId", "must be the id of a saved query");
	} else if (strcmp(name, "dryRun") == 0) {
		if (json_bool(v, "dryRun", &ret->dry_run, NULL) < 0)
			faults_add(f, a, "dryRun", "must be true or false");
	} else if (strcmp(name, "snapshot") == 0) {
		if (json_bool(v, "snapshot", &ret->snapshot, NULL) < 0)
			faults_add(f, a, "snapshot", "must be true or false");
	} else if (strcmp(name, "deadlineMs") == 0) {
		if (json_i64(v, "deadlineMs", 1, DEADLINE_MAX_MS, &ret->deadline_ms, NULL) < 0)
			faults_add(f, a, "deadlineMs", "must be an integer from 1 to %d",
				   DEADLINE_MAX_MS);
	} else {
		faults_add(f, a, name, "there is no such member");
	}
}

/* false: answered. */
static bool read_envelope(const struct call *c, const struct json *body, struct arena *a,
			  struct envelope *ret)
{
	struct faults faults = {.n = 0};

	for (size_t i = 0; i < json_len(body); i++)
		read_member(body, i, a, ret, &faults);
	if (faults.n == 0 &&
	    (ret->query != NULL) + (ret->sql != NULL) + (ret->query_id != NULL) != 1)
		faults_add(&faults, a, "query",
			   "one of query, {metrics, dateRange, …}, sql and queryId is required");
	if (faults.n == 0 && ret->params != NULL && ret->query != NULL)
		faults_add(&faults, a, "params", "is only taken with sql or queryId");
	if (faults.n == 0 && ret->snapshot && (ret->query_id == NULL || ret->dry_run))
		faults_add(&faults, a, "snapshot",
			   "is only taken with queryId, and not with dryRun");
	if (faults.n > 0)
		httpd_reply_violations(c->http, faults.v, faults.n);
	return faults.n == 0;
}

/* A structured query that is only looked at; in the arena, with its request. */
struct looking {
	struct call call;
	struct arena *arena;
	struct request *request;
	struct run run;
	struct reads reads;
	struct cost_question cost;
	bool partial;
};

static struct cache_scope scope_of(const struct looking *k)
{
	const struct principal *p = k->call.principal;

	return (struct cache_scope){.tenant_id = p->tenant_id,
				    .properties = p->scope,
				    .permissions = p->permissions,
				    .request = k->request};
}

/* It is logged and told like that of a query that was to run. */
static void refuse(const struct looking *k, enum problem_code code, const char *detail)
{
	const struct principal *p = k->call.principal;
	const struct cache_scope scope = scope_of(k);
	char question[CACHE_KEY_LEN + 1];

	cache_question(&scope, question);
	cost_end(k->call.st->cost, 0,
		 &(struct querylog_entry){.tenant_id = p->tenant_id,
					  .actor_id = p->user_id,
					  .hash = question,
					  .kind = "structured",
					  .outcome = problem_name(code),
					  .cache = "BYPASS",
					  .refused = true});
	budget_reply_problem(k->call.http, code, detail);
}

/* The result that it would be, without rows: what it is made of and for which dates. */
static void reply_dry(const struct looking *k)
{
	const struct call *c = &k->call;
	struct tenant *n = tenants_find(c->st->tenants, c->principal->tenant_id);
	struct strbuf data = STRBUF_INIT;
	const struct cells *cells = cells_new(k->request, 0, k->arena);
	const struct cache_scope scope = scope_of(k);
	char key[CACHE_KEY_LEN + 1];
	int64_t now_us, oldest_us;

	cache_key(&scope, key);
	result_write(&k->run, table_new(cells, "", (struct slice){"", 0}, k->arena), NULL, &data);
	watch_pending(c->st->watch, c->principal->tenant_id, &now_us, &oldest_us);
	answer_send(c->http,
		    &(struct answer){.data = strbuf_slice(&data),
				     .key = key,
				     .versions = "",
				     .cache = "BYPASS",
				     .now_us = now_us,
				     .oldest_us = oldest_us,
				     .quality = n != NULL ? tenant_quality(n, k->run.tables) : 0,
				     .partial = k->partial});
	strbuf_clear(&data);
}

static void on_judged(void *arg, enum problem_code verdict, const char *detail, int64_t charged)
{
	struct looking *k = arg;
	struct arena *a = k->arena;

	(void)charged;
	if (verdict != PROBLEM_COUNT && cost_is_refusal(verdict))
		refuse(k, verdict, detail);
	else if (verdict != PROBLEM_COUNT)
		budget_reply_problem(k->call.http, verdict, detail);
	else
		reply_dry(k);
	arena_free(a);
}

/* Takes the arena. */
static void look(const struct call *c, const struct request *r, struct arena *a)
{
	struct looking *k = arena_alloc(a, sizeof(*k));
	const char *unreadable;

	k->call = caller_keep(c);
	k->arena = a;
	k->request = arena_alloc(a, sizeof(*k->request));
	*k->request = *r;
	k->request->cursor = NULL;
	k->partial = compute_resolve(c, k->request, k->arena);
	unreadable = compute_unreadable(c, k->request, a);
	if (unreadable != NULL) {
		refuse(k, PROBLEM_QUERY_REJECTED, unreadable);
		arena_free(a);
		return;
	}
	run_prepare(&k->run, k->request, a);
	run_reads(&k->run, &k->reads);
	k->cost = (struct cost_question){
		.tenant_id = k->call.principal->tenant_id, .reads = &k->reads, .dry = true};
	/* answered inside, and k is gone with it */
	cost_admit(c->st->cost, c->tenant, &k->cost, on_judged, k);
}

/* NULL: the answer is not to be kept. */
static const struct snapshot_order *order_of(const struct call *c, const struct envelope *e)
{
	return e->snapshot ? snapshot_order(c, json_string_or_null(e->query_id)) : NULL;
}

/* Frees or passes on the arena. */
static void run_query(const struct call *c, const struct json *query, const struct envelope *e,
		      struct arena *a)
{
	struct compute_outcome problem;
	struct request request;
	bool ok = compute_read(c, query, a, &request, &problem) == 0;

	if (ok && e->dry_run) {
		look(c, &request, a);
	} else if (ok) {
		start(c, &request, a, e->deadline_ms, order_of(c, e), e->text);
	} else {
		reply(c->http, &problem);
		arena_free(a);
	}
}

static void run_sql(const struct call *c, const struct json *sql, const struct json *saved_params,
		    const struct envelope *e)
{
	adhoc_serve(c, &(struct adhoc_question){
			       .sql = json_string_or_null(sql),
			       .params = {saved_params, e->params},
			       .query_id = e->query_id != NULL ? json_string_or_null(e->query_id)
							       : NULL,
			       .snapshot = order_of(c, e),
			       .dry_run = e->dry_run,
			       .deadline_ms = e->deadline_ms});
}

/* A run that waits for its saved query; in the request's arena. */
struct recalling {
	struct call call;
	struct envelope e;
};

static void on_recalled(void *arg, struct slice definition)
{
	struct recalling *k = arg;
	struct call *c = &k->call;
	struct json *saved = NULL;

	c->tenant = tenants_find(c->st->tenants, c->principal->tenant_id);
	if (c->tenant == NULL || json_parse(definition, REQUEST_BODY_MAX, &saved, NULL) < 0) {
		httpd_reply_problem(c->http, PROBLEM_UNAVAILABLE,
				    "The tenant's data cannot be reached right now.");
	} else if (json_get(saved, "sql") != NULL) {
		run_sql(c, json_get(saved, "sql"), json_get(saved, "params"), &k->e);
	} else if (k->e.params != NULL) {
		httpd_reply_violations(c->http,
				       &(struct problem_violation){
					       "params", "the saved query takes no parameters"},
				       1);
	} else {
		run_query(c, json_get(saved, "query"), &k->e, arena_new());
	}
	json_free(saved);
}

static void free_body(void *body)
{
	json_free(body);
}

static void run(const struct call *c)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	struct arena *a = httpd_arena(c->http);
	struct envelope e = {.deadline_ms = conf->query_timeout};
	struct json *body;

	set_default_headers(c->http);
	body = parse(c, a);
	if (body == NULL)
		return;
	arena_defer(a, free_body, body);
	if (!read_envelope(c, body, a, &e))
		return;
	if (e.deadline_ms > conf->query_timeout)
		e.deadline_ms = conf->query_timeout;
	if (e.query != NULL) {
		e.text = text_of(c);
		run_query(c, e.query, &e, arena_new());
	} else if (e.sql != NULL) {
		run_sql(c, e.sql, NULL, &e);
	} else {
		struct recalling *k = arena_alloc(a, sizeof(*k));

		*k = (struct recalling){caller_keep(c), e};
		saved_load(c, json_string_or_null(e.query_id), on_recalled, k);
	}
}

void structured_run(const struct call *c)
{
	if (!recall_serve(c, text_of(c), run))
		run(c);
}
