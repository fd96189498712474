/* Quality results and jobs over HTTP; see records.h. */
#include "queryd/api/records.h"

#include "common/base/json.h"
#include "common/base/num.h"
#include "common/base/ulid.h"
#include "queryd/api/catalog.h"
#include "queryd/compute/compute.h"
#include "sql_gen.h"

#define LIMIT_MS   5000
#define STMTS_MAX  2
#define PARAMS_MAX 5
#define JOB_PREFIX "job_"
#define JOB_ID_MAX 40

/* Lives in the request's arena. */
struct lookup {
	struct httpd_request *http;
	const char *params[STMTS_MAX][PARAMS_MAX];
	struct pgstmt stmts[STMTS_MAX];
	int64_t limit;
	bool all_properties; /* of the caller */
	char number[24], job_id[JOB_ID_MAX];
};

static struct lookup *lookup_new(const struct call *c)
{
	struct lookup *k = arena_alloc(httpd_arena(c->http), sizeof(*k));

	k->http = c->http;
	k->all_properties = c->principal->all_properties;
	return k;
}

static void run(const struct call *c, struct lookup *k, size_t n, pgconn_fn fn)
{
	const struct query_target target = {.pool = c->st->control,
					    .tenant_id = c->principal->tenant_id,
					    .timeout_ms = LIMIT_MS};

	(void)query_start(&target, k->stmts, n, fn, k);
}

/* Answers when e says so. */
static bool failed(struct lookup *k, const struct err *e)
{
	if (e != NULL)
		httpd_reply_problem(k->http, query_problem(e),
				    "The control database did not answer.");
	return e != NULL;
}

/* How a column of a row becomes a member. */
enum as { AS_TEXT, AS_NUMBER, AS_BOOL };

struct column {
	const char *name; /* of the member */
	enum as as;
	bool of_all; /* a figure or date over all properties */
};

static void write_row(struct json_writer *w, const struct lookup *k, const struct pgresult *r,
		      size_t i, size_t row, const struct column *columns, size_t n)
{
	for (size_t c = 0; c < n; c++) {
		bool hidden = columns[c].of_all && !k->all_properties;
		const char *text = hidden ? NULL : pgresult_text(r, i, row, c);

		jw_key(w, columns[c].name);
		if (text == NULL)
			jw_null(w);
		else if (columns[c].as == AS_TEXT)
			jw_str(w, text);
		else if (columns[c].as == AS_NUMBER)
			jw_raw(w, slice_of(text));
		else
			jw_bool(w, pgresult_bool(r, i, row, c));
	}
}

/* ---- data-quality */

static void on_quality(void *arg, const struct pgresult *r, const struct err *e)
{
	static const struct column columns[] = {
		{"checkId", AS_TEXT, false},      {"table", AS_TEXT, false},
		{"kind", AS_TEXT, false},         {"column", AS_TEXT, false},
		{"severity", AS_TEXT, false},     {"state", AS_TEXT, false},
		{"observed", AS_NUMBER, true},    {"expected", AS_NUMBER, true},
		{"since", AS_TEXT, true},         {"evaluatedAt", AS_TEXT, true},
		{"dataVersion", AS_NUMBER, true}, {"muted", AS_BOOL, false}};
	struct lookup *k = arg;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	size_t rows, shown;

	if (failed(k, e))
		return;
	rows = pgresult_rows(r, QUERY_RESULT);
	shown = rows > (size_t)k->limit ? (size_t)k->limit : rows; /* one more was asked for */
	jw_init(&w, &out);
	jw_object(&w);
	jw_key(&w, "items");
	jw_array(&w);
	for (size_t i = 0; i < shown; i++) {
		jw_object(&w);
		write_row(&w, k, r, QUERY_RESULT, i, columns, ARRAY_SIZE(columns));
		jw_end(&w);
	}
	jw_end(&w);
	jw_key(&w, "nextCursor");
	jw_str(&w, rows > shown ? pgresult_text(r, QUERY_RESULT, shown - 1, 0) : NULL);
	jw_end(&w);
	httpd_reply_json(k->http, 200, &out);
	strbuf_clear(&out);
}

void records_list_quality(const struct call *c)
{
	static const char *const states[] = {"pass", "fail", "unknown"};
	const char *state = httpd_query(c->http, "state");
	struct lookup *k = lookup_new(c);
	bool known = state == NULL;

	for (size_t i = 0; state != NULL && i < ARRAY_SIZE(states); i++)
		known |= strcmp(states[i], state) == 0;
	if (!known) {
		httpd_reply_violations(
			c->http,
			&(struct problem_violation){"state", "must be pass, fail or unknown"}, 1);
		return;
	}
	if (catalog_limit(c, &k->limit) < 0)
		return;
	(void)snprintf(k->number, sizeof(k->number), "%lld", (long long)k->limit + 1);
	k->params[0][0] = httpd_query(c->http, "table");
	k->params[0][1] = state;
	k->params[0][2] = httpd_query(c->http, "cursor");
	k->params[0][3] = k->number;
	k->stmts[0] = (struct pgstmt){&SQL_queryd_list_results, k->params[0]};
	run(c, k, 1, on_quality);
}

/* ---- jobs */

static void on_job(void *arg, const struct pgresult *r, const struct err *e)
{
	static const struct column job[] = {{"id", AS_TEXT, false},
					    {"projectionKey", AS_TEXT, false},
					    {"state", AS_TEXT, false},
					    {"progress", AS_NUMBER, false},
					    {"error", AS_TEXT, true}};
	static const struct column attempt[] = {
		{"attempt", AS_NUMBER, false}, {"state", AS_TEXT, false},
		{"rowsIn", AS_NUMBER, true},   {"rowsOut", AS_NUMBER, true},
		{"startedAt", AS_TEXT, false}, {"finishedAt", AS_TEXT, false},
		{"error", AS_TEXT, true}};
	struct lookup *k = arg;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (failed(k, e))
		return;
	if (pgresult_rows(r, QUERY_RESULT) == 0) {
		httpd_reply_problem(k->http, PROBLEM_ETL_JOB_NOT_FOUND, "There is no such job.");
		return;
	}
	jw_init(&w, &out);
	jw_object(&w);
	write_row(&w, k, r, QUERY_RESULT, 0, job, ARRAY_SIZE(job));
	jw_key(&w, "runs");
	jw_array(&w);
	for (size_t i = 0; i < pgresult_rows(r, QUERY_RESULT + 1); i++) {
		jw_object(&w);
		jw_key(&w, "id");
		jw_str(&w, arena_printf(httpd_arena(k->http), "%s.%s", k->job_id,
					pgresult_text(r, QUERY_RESULT + 1, i, 0)));
		write_row(&w, k, r, QUERY_RESULT + 1, i, attempt, ARRAY_SIZE(attempt));
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&w);
	httpd_reply_json(k->http, 200, &out);
	strbuf_clear(&out);
}

void records_show_job(const struct call *c)
{
	const char *id = httpd_param(c->http, "id");
	struct lookup *k = lookup_new(c);

	if (strncmp(id, JOB_PREFIX, sizeof(JOB_PREFIX) - 1) != 0 ||
	    !ulid_valid(slice_of(id + sizeof(JOB_PREFIX) - 1))) {
		httpd_reply_problem(c->http, PROBLEM_ETL_JOB_NOT_FOUND, "There is no such job.");
		return;
	}
	(void)snprintf(k->job_id, sizeof(k->job_id), "%s", id);
	k->params[0][0] = k->params[1][0] = k->job_id;
	k->stmts[0] = (struct pgstmt){&SQL_queryd_read_job, k->params[0]};
	k->stmts[1] = (struct pgstmt){&SQL_queryd_list_runs, k->params[1]};
	run(c, k, 2, on_job);
}
