/* Publishing and archiving a tenant's metrics; see publish.h. */
#include "queryd/publish.h"

#include "common/timestamp.h"
#include "queryd/compute.h"
#include "queryd/definition.h"
#include "queryd/records.h"
#include "sql_gen.h"

#define LIMIT_MS     5000
#define PARAMS_MAX   8
#define VERSION_MAX  1000000
#define METRICS_PATH "/api/v1/analytics/metrics"

/* A change on its way; in the request's arena. */
struct change {
	struct queryd *st;
	struct httpd_request *http;
	const char *tenant_id, *location;
	const char *params[2][PARAMS_MAX];
	struct pgstmt stmts[2];
	int status; /* of the answer, once this process knows the change itself */
	struct strbuf body;
};

static void free_body(void *arg)
{
	struct change *k = arg;

	strbuf_clear(&k->body);
}

static struct change *change_new(const struct call *c)
{
	struct change *k = arena_alloc(httpd_arena(c->http), sizeof(*k));

	*k = (struct change){.st = c->st, .http = c->http, .body = STRBUF_INIT};
	k->tenant_id = arena_strdup(httpd_arena(c->http), c->principal->tenant_id);
	arena_defer(httpd_arena(c->http), free_body, k);
	return k;
}

static void run(struct change *k, size_t n, pgconn_fn fn)
{
	const struct query_target target = {
		.pool = k->st->control, .tenant_id = k->tenant_id, .timeout_ms = LIMIT_MS};

	(void)query_start(&target, k->stmts, n, fn, k);
}

/* The change is stored; an error of reading it back only means that it is seen some seconds later.
 */
static void on_known(void *arg, const struct err *e)
{
	struct change *k = arg;

	(void)e;
	if (k->location != NULL)
		httpd_set_header(k->http, "Location", k->location);
	httpd_reply_json(k->http, k->status, &k->body);
}

static void finish(struct change *k, int status)
{
	k->status = status;
	tenants_reload(k->st->tenants, k->tenant_id, on_known, k);
}

/* The parsed body; NULL: answered. */
static struct json *parse(const struct call *c)
{
	struct faults faults = {.n = 0};
	struct json *body = request_parse(httpd_body(c->http), httpd_arena(c->http), &faults);

	if (body == NULL)
		httpd_reply_violations(c->http, faults.v, faults.n);
	return body;
}

/* ---- publishing */

static void on_published(void *arg, const struct pgresult *r, const struct err *e)
{
	struct change *k = arg;

	if (e != NULL && pg_error_class(e) == PG_ERROR_UNIQUE) {
		httpd_reply_problem(k->http, PROBLEM_METRIC_VERSION_CONFLICT,
				    "This version of the metric is published, and never changes.");
	} else if (e != NULL) {
		httpd_reply_problem(k->http, compute_problem(e),
				    "The control database did not answer.");
	} else if (pgresult_rows(r, QUERY_RESULT + 1) != 1 ||
		   !pgresult_bool(r, QUERY_RESULT + 1, 0, 0)) {
		httpd_reply_problem(k->http, PROBLEM_IDEMPOTENCY_KEY_REUSED,
				    "The Idempotency-Key was sent with another request before.");
	} else {
		strbuf_append_slice(&k->body, pgresult_slice(r, QUERY_RESULT + 1, 0, 1));
		finish(k, 201);
	}
}

static const char *response_of(const struct definition *d, struct arena *a)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	const char *text;

	jw_init(&w, &out);
	jw_object(&w);
	jw_key(&w, "key");
	jw_str(&w, d->key);
	jw_key(&w, "version");
	jw_i64(&w, d->version);
	jw_key(&w, "definitionHash");
	jw_str(&w, d->hash);
	jw_end(&w);
	text = arena_strdup(a, strbuf_cstr(&out));
	strbuf_clear(&out);
	return text;
}

static void store(const struct call *c, const struct definition *d, const char *key,
		  const char *hash)
{
	struct arena *a = httpd_arena(c->http);
	struct change *k = change_new(c);
	const char *const params[] = {key,
				      hash,
				      response_of(d, a),
				      d->key,
				      arena_printf(a, "%lld", (long long)d->version),
				      d->display,
				      d->unit,
				      d->definition};

	memcpy(k->params[0], params, sizeof(params));
	k->params[1][0] = key;
	k->params[1][1] = hash;
	k->location = METRICS_PATH;
	k->stmts[0] = (struct pgstmt){&SQL_queryd_publish_metric, k->params[0]};
	k->stmts[1] = (struct pgstmt){&SQL_queryd_read_idempotency, k->params[1]};
	run(k, 2, on_published);
}

void publish_metric(const struct call *c)
{
	struct arena *a = httpd_arena(c->http);
	struct faults faults = {.n = 0};
	const char *key, *hash;
	struct definition d;
	struct json *body;

	if (!records_idempotency(c, "publish", &key, &hash))
		return;
	body = parse(c);
	if (body == NULL)
		return;
	definition_read(body, a, &d, &faults);
	json_free(body);
	if (faults.n > 0)
		httpd_reply_violations(c->http, faults.v, faults.n);
	else if (metric_has_key(registry_metrics(c->st->registry), d.key))
		httpd_reply_problem(c->http, PROBLEM_METRIC_VERSION_CONFLICT,
				    "The platform publishes a metric of this key: choose another.");
	else
		store(c, &d, key, hash);
}

/* ---- archiving */

static void on_archived(void *arg, const struct pgresult *r, const struct err *e)
{
	struct change *k = arg;
	struct json_writer w;

	if (e != NULL) {
		httpd_reply_problem(k->http, compute_problem(e),
				    "The control database did not answer.");
		return;
	}
	if (pgresult_rows(r, QUERY_RESULT) == 0) {
		httpd_reply_problem(k->http, PROBLEM_METRIC_NOT_FOUND,
				    "The tenant has no such metric of its own.");
		return;
	}
	jw_init(&w, &k->body);
	jw_object(&w);
	jw_key(&w, "key");
	jw_str(&w, k->params[0][0]);
	jw_key(&w, "version");
	jw_raw(&w, slice_of(k->params[0][1]));
	jw_key(&w, "archivedAt");
	jw_str(&w, pgresult_text(r, QUERY_RESULT, 0, 0));
	jw_end(&w);
	finish(k, 200);
}

static void read_archive(const struct json *body, struct arena *a, int64_t *ret_version,
			 const char **ret_at, struct faults *f)
{
	const struct json *at = json_get(body, "archivedAt");
	const char *text = json_string_or_null(at);
	char canonical[TIMESTAMP_TEXT_MAX];
	int64_t us;

	*ret_at = NULL;
	if (json_len(body) != 1 + (size_t)(at != NULL))
		faults_add(f, a, "body", "must be {version, archivedAt?}");
	if (json_i64(json_get(body, "version"), "version", 1, VERSION_MAX, ret_version, NULL) < 0)
		faults_add(f, a, "version", "must be an integer from 1 on");
	if (at == NULL)
		return;
	if (text == NULL || timestamp_parse(slice_of(text), &us) < 0) {
		faults_add(f, a, "archivedAt", "must be an instant, RFC 3339");
		return;
	}
	timestamp_format(us, canonical);
	*ret_at = arena_strdup(a, canonical);
}

void publish_archive(const struct call *c)
{
	struct arena *a = httpd_arena(c->http);
	struct json *body = parse(c);
	struct faults faults = {.n = 0};
	struct change *k;
	const char *at;
	int64_t version = 0;

	if (body == NULL)
		return;
	read_archive(body, a, &version, &at, &faults);
	json_free(body);
	if (faults.n > 0) {
		httpd_reply_violations(c->http, faults.v, faults.n);
		return;
	}
	if (metric_has_key(registry_metrics(c->st->registry), httpd_param(c->http, "key"))) {
		httpd_reply_problem(c->http, PROBLEM_PERMISSION_DENIED,
				    "The platform's metrics are retired by the platform.");
		return;
	}
	k = change_new(c);
	k->params[0][0] = httpd_param(c->http, "key");
	k->params[0][1] = arena_printf(a, "%lld", (long long)version);
	k->params[0][2] = at;
	k->stmts[0] = (struct pgstmt){&SQL_queryd_archive_metric, k->params[0]};
	run(k, 1, on_archived);
}
