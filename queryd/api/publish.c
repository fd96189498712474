/* Publishing and archiving a tenant's metrics; see publish.h. */
#include "queryd/api/publish.h"

#include "common/base/timestamp.h"
#include "queryd/compute/compute.h"
#include "queryd/document/change.h"
#include "queryd/metric/definition.h"
#include "sql_gen.h"

#define LIMIT_MS     5000
#define PARAMS_MAX   3
#define VERSION_MAX  1000000
#define METRICS_PATH "/api/v1/analytics/metrics"

/* A change that this process must learn before it answers; in the request's arena. */
struct retelling {
	struct queryd *st;
	struct httpd_request *http;
	const char *tenant_id, *location;
	const char *params[PARAMS_MAX];
	struct pgstmt stmt;
	int status; /* of the answer, once this process knows the change itself */
	struct strbuf body;
};

static void free_body(void *arg)
{
	struct retelling *k = arg;

	strbuf_clear(&k->body);
}

static struct retelling *retelling_new(const struct call *c)
{
	struct retelling *k = arena_alloc(httpd_arena(c->http), sizeof(*k));

	*k = (struct retelling){.st = c->st, .http = c->http, .body = STRBUF_INIT};
	k->tenant_id = arena_strdup(httpd_arena(c->http), c->principal->tenant_id);
	arena_defer(httpd_arena(c->http), free_body, k);
	return k;
}

static void run(struct retelling *k, pgconn_fn fn)
{
	const struct query_target target = {
		.pool = k->st->control, .tenant_id = k->tenant_id, .timeout_ms = LIMIT_MS};

	(void)query_start(&target, &k->stmt, 1, fn, k);
}

/* The change is stored; an error of reading it back only means that it is seen some seconds later.
 */
static void on_known(void *arg, const struct err *e)
{
	struct retelling *k = arg;

	(void)e;
	if (k->location != NULL)
		httpd_set_header(k->http, "Location", k->location);
	httpd_reply_json(k->http, k->status, &k->body);
}

static void finish(struct retelling *k, int status)
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

/* The stored definition: this process learns it, then answers. */
static void on_published(const struct call *c, int status, struct slice document)
{
	struct retelling *k = retelling_new(c);

	strbuf_append_slice(&k->body, document);
	k->location = METRICS_PATH;
	finish(k, status);
}

static void store(const struct call *c, const struct definition *d)
{
	static const struct change_refusal refusals[] = {
		{"conflict", NULL, PROBLEM_METRIC_VERSION_CONFLICT, NULL,
		 "This version of the metric is published, and never changes."},
		{.name = NULL},
	};
	struct arena *a = httpd_arena(c->http);
	const char **params = arena_alloc(a, 5 * sizeof(*params));

	params[0] = d->key;
	params[1] = arena_printf(a, "%lld", (long long)d->version);
	params[2] = d->display;
	params[3] = d->unit;
	params[4] = d->definition;
	change_start(c, &(struct change){.operation = "metrics.publish",
					 .status = 201,
					 .effect = {&SQL_queryd_publish_metric, params},
					 .refusals = refusals,
					 .reply = on_published});
}

void publish_metric(const struct call *c)
{
	struct arena *a = httpd_arena(c->http);
	struct faults faults = {.n = 0};
	struct definition d;
	struct json *body;
	const char *key;

	if (!change_key(c, &key))
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
		store(c, &d);
}

/* ---- archiving */

static void on_archived(void *arg, const struct pgresult *r, const struct err *e)
{
	struct retelling *k = arg;
	struct json_writer w;

	if (e != NULL) {
		httpd_reply_problem(k->http, query_problem(e),
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
	jw_str(&w, k->params[0]);
	jw_key(&w, "version");
	jw_raw(&w, slice_of(k->params[1]));
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
	struct retelling *k;
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
	k = retelling_new(c);
	k->params[0] = httpd_param(c->http, "key");
	k->params[1] = arena_printf(a, "%lld", (long long)version);
	k->params[2] = at;
	k->stmt = (struct pgstmt){&SQL_queryd_archive_metric, k->params};
	run(k, on_archived);
}
