/*
 * Explaining a metric; see explain.h.
 *
 *   read ─▶ admitted (cost.h) ─▶ runs ─▶ charged and answered
 */
#include "queryd/api/explain.h"

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/num.h"
#include "queryd/compute/compute.h"
#include "queryd/compute/run.h"
#include "queryd/compute/table.h"
#include "queryd/cost/budget.h"
#include "queryd/cost/cost.h"
#include "queryd/tenant/caller.h"

/* Lives in the request's arena. */
struct explanation {
	struct call call;
	struct metric_set *platform, *own; /* held for the request's metric */
	struct request request;
	struct run run;
	struct reads reads;
	struct cost_question cost;
	int64_t charged;
	char question[CACHE_KEY_LEN + 1];
	int64_t started_mono_us;
	struct query *query; /* running */
};

static void write_part(struct json_writer *w, const char *name, const struct part *p)
{
	jw_key(w, name);
	if (p == NULL) {
		jw_null(w);
		return;
	}
	jw_object(w);
	jw_key(w, "part");
	jw_str(w, p->name);
	jw_key(w, "source");
	jw_str(w, p->source->name);
	jw_end(w);
}

static void write_metric(struct json_writer *w, const struct metric_def *m)
{
	jw_key(w, "metric");
	jw_object(w);
	jw_key(w, "key");
	jw_str(w, m->key);
	jw_key(w, "version");
	jw_i64(w, m->version);
	jw_key(w, "definitionHash");
	jw_str(w, m->hash);
	jw_key(w, "unit");
	jw_str(w, unit_name(m->unit));
	write_part(w, "numerator", m->numerator);
	write_part(w, "denominator", m->denominator);
	jw_key(w, "shareOf");
	jw_str(w, m->share ? dimension_name(DIM_CHANNEL) : NULL);
	jw_end(w);
}

/* As they run: the tenant's login role and its signed property scope are what restricts them. */
static void write_statements(struct json_writer *w, const struct run *run)
{
	jw_key(w, "statements");
	jw_array(w);
	for (size_t i = 0; i < run->nsources; i++) {
		const struct source *s = run->sources[i];

		jw_object(w);
		jw_key(w, "source");
		jw_str(w, s->name);
		jw_key(w, "sql");
		jw_str(w, s->stmt->text);
		jw_key(w, "parameters");
		jw_array(w);
		for (int k = 0; k < s->stmt->nparams; k++)
			jw_str(w, run->params[WINDOW_ASKED][k]);
		jw_end(w);
		jw_end(w);
	}
	jw_end(w);
}

static void write_lineage(struct json_writer *w, const struct explanation *x)
{
	jw_key(w, "lineage");
	jw_array(w);
	for (size_t i = 0; i < x->run.ntables; i++) {
		const struct registry *g = x->call.st->registry;

		for (size_t p = 0; p < registry_projection_count(g); p++) {
			const struct projection *j = registry_projection_at(g, p);

			if (strcmp(j->table, x->run.tables[i]) != 0)
				continue;
			jw_object(w);
			jw_key(w, "table");
			jw_str(w, j->table);
			jw_key(w, "projection");
			jw_str(w, j->key);
			jw_key(w, "version");
			jw_i64(w, j->version);
			jw_key(w, "subjects");
			jw_raw(w, j->subjects);
			jw_key(w, "dependsOn");
			jw_raw(w, j->depends_on);
			jw_end(w);
		}
	}
	jw_end(w);
}

static void write_explanation(const struct explanation *x, const struct cells *cells,
			      struct json_writer *w)
{
	const struct table *t = table_new(cells, "", (struct slice){"", 0},
					  httpd_arena(x->call.http));

	jw_object(w);
	write_metric(w, x->request.metrics[0]);
	jw_key(w, "dateRange");
	window_write(x->run.windows[WINDOW_ASKED], w);
	jw_key(w, "parts");
	table_write_parts(t, w);
	jw_key(w, "rows");
	jw_i64(w, cells_facts(cells));
	jw_key(w, "columns");
	table_write_columns(t, w);
	jw_key(w, "result");
	table_write_rows(t, w);
	write_statements(w, &x->run);
	write_lineage(w, x);
	jw_end(w);
}

static void set_etag(struct httpd_request *http, struct slice body)
{
	unsigned char digest[HASH_SHA256_LEN];
	char hex[2 * HASH_SHA256_LEN + 1];

	hash_sha256(body, digest);
	hash_hex(digest, sizeof(digest), hex);
	httpd_set_header(http, "ETag", arena_printf(httpd_arena(http), "\"%.32s\"", hex));
}

/* ---- the end; each of these ends the request, and with its arena x */

/* bytes -1: not known. */
static void account(const struct explanation *x, const char *outcome, bool refused, int64_t bytes,
		    int64_t rows)
{
	cost_end(x->call.st->cost, x->charged,
		 &(struct querylog_entry){.tenant_id = x->call.principal->tenant_id,
					  .actor_id = x->call.principal->user_id,
					  .hash = x->question,
					  .kind = "structured",
					  .outcome = outcome,
					  .cache = "BYPASS",
					  .refused = refused,
					  .bytes = bytes,
					  .duration_us = clock_mono_us() - x->started_mono_us,
					  .rows = rows});
}

static void let_go(const struct explanation *x)
{
	metric_set_unref(x->platform);
	metric_set_unref(x->own);
}

static void end_problem(struct explanation *x, enum problem_code code, const char *detail,
			int64_t bytes)
{
	account(x, problem_name(code), cost_is_refusal(code), bytes, 0);
	let_go(x);
	budget_reply_problem(x->call.http, code, detail);
}

static void end_unreachable(struct explanation *x)
{
	let_go(x);
	httpd_reply_problem(x->call.http, PROBLEM_UNAVAILABLE,
			    "The tenant's data cannot be reached right now.");
}

static void answer(struct explanation *x, const struct cells *cells, const struct run_report *ran)
{
	struct httpd_request *http = x->call.http;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	httpd_set_header(http, "X-Bytes-Scanned",
			 arena_printf(httpd_arena(http), "%lld", (long long)ran->bytes));
	jw_init(&w, &out);
	write_explanation(x, cells, &w);
	set_etag(http, strbuf_slice(&out));
	account(x, "ok", false, ran->bytes, cells_facts(cells));
	let_go(x);
	httpd_reply_json(http, 200, &out);
	strbuf_clear(&out);
}

/* ---- running */

static void on_run(void *arg, const struct pgresult *r, const struct err *e)
{
	struct explanation *x = arg;
	const struct queryd_config *conf = daemon_conf(x->call.st->daemon);
	struct cells *cells;
	struct err bad = ERR_INIT;
	struct run_report report;

	x->query = NULL;
	if (e != NULL) {
		end_problem(x, query_problem(e), "The metric could not be explained in time.", -1);
		return;
	}
	run_report(&x->run, r, &report);
	if (run_cells(&x->run, r, (size_t)conf->result_cells, httpd_arena(x->call.http), &cells,
		      &bad) < 0)
		end_problem(x, PROBLEM_QUERY_REJECTED, bad.msg, report.bytes);
	else
		answer(x, cells, &report);
}

/* The client left, or its deadline passed: the end comes as a cancelled query's, or has come. */
static void on_gone(void *arg)
{
	struct explanation *x = arg;

	if (x->query != NULL)
		query_cancel(x->query);
}

static void on_admitted(void *arg, enum problem_code verdict, const char *detail, int64_t charged)
{
	struct explanation *x = arg;
	struct queryd *st = x->call.st;
	struct tenant *n;

	if (verdict != PROBLEM_COUNT) {
		end_problem(x, verdict, detail, 0);
		return;
	}
	n = tenants_find(st->tenants, x->call.principal->tenant_id);
	if (n == NULL || httpd_settled(x->call.http)) {
		cost_refund(st->cost, x->call.principal->tenant_id, charged);
		end_unreachable(x);
		return;
	}
	x->charged = charged;
	x->query = tenant_query(n, x->call.principal->scope, x->run.stmts, x->run.nstmts, on_run,
				x);
}

/* ---- reading the request */

static bool read_version(const struct call *c, int64_t *ret)
{
	const char *text = httpd_query(c->http, "version");

	*ret = 0;
	if (text == NULL || num_i64(slice_of(text), 1, 1000000, ret) == 0)
		return true;
	httpd_reply_violations(
		c->http, &(struct problem_violation){"version", "must be an integer from 1 on"}, 1);
	return false;
}

static void run_it(struct explanation *x, const struct call *c)
{
	struct arena *a = httpd_arena(c->http);
	const char *unreadable;
	struct cache_scope scope;

	(void)compute_resolve(c, &x->request, a);
	unreadable = compute_unreadable(c, &x->request, a);
	x->platform = metric_set_ref(registry_metrics(c->st->registry));
	if (tenant_metrics(c->tenant) != NULL)
		x->own = metric_set_ref(tenant_metrics(c->tenant));
	scope = (struct cache_scope){.tenant_id = x->call.principal->tenant_id,
				     .properties = x->call.principal->scope,
				     .permissions = x->call.principal->permissions,
				     .request = &x->request};
	cache_question(&scope, x->question);
	if (unreadable != NULL) {
		end_problem(x, PROBLEM_QUERY_REJECTED, unreadable, 0);
		return;
	}
	run_prepare(&x->run, &x->request, a);
	run_statements(&x->run);
	run_reads(&x->run, &x->reads);
	x->cost = (struct cost_question){.tenant_id = x->call.principal->tenant_id,
					 .reads = &x->reads};
	httpd_set_gone(c->http, on_gone, x);
	cost_admit(c->st->cost, c->tenant, &x->cost, on_admitted, x);
}

void explain_serve(const struct call *c)
{
	struct arena *a = httpd_arena(c->http);
	struct explanation *x = arena_alloc(a, sizeof(*x));
	const struct metric_def *m; /* x is gone with a request that was answered */
	struct faults faults = {.n = 0};
	struct call mine = *c;
	int64_t version;

	*x = (struct explanation){.call = caller_keep(c), .started_mono_us = clock_mono_us()};
	httpd_set_header(c->http, "X-Bytes-Scanned", "0");
	httpd_set_header(c->http, "X-Cache", "BYPASS");
	if (!read_version(c, &version))
		return;
	m = compute_find(&mine, httpd_param(c->http, "key"), version);
	if (m == NULL) {
		httpd_reply_problem(c->http, PROBLEM_METRIC_NOT_FOUND,
				    "There is no such metric, or no such version of it.");
		return;
	}
	x->request = (struct request){.metrics = {m}, .nmetrics = 1};
	request_read_window(httpd_query(c->http, "from"), httpd_query(c->http, "to"), a,
			    &x->request, &faults);
	if (faults.n > 0) {
		httpd_reply_violations(c->http, faults.v, faults.n);
		return;
	}
	if (!compute_in_scope(c, &x->request)) {
		httpd_reply_problem(c->http, PROBLEM_PROPERTY_SCOPE_VIOLATION,
				    "The token reaches no property.");
		return;
	}
	run_it(x, c);
}
