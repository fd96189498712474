/*
 * Jobs of ad-hoc SQL; see adhoc.h.
 *
 *   read, passed by the gate ─▶ waits for its turn ─▶ admitted (cost.h) ─▶ runs ─▶ answered
 */
#include "queryd/adhoc/adhoc.h"

#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "queryd/adhoc/adhoc_refusal.h"
#include "queryd/adhoc/adhoc_result.h"
#include "queryd/adhoc/gate.h"
#include "queryd/compute/answer.h"
#include "queryd/cost/budget.h"
#include "queryd/cost/cost.h"
#include "queryd/document/snapshot.h"
#include "queryd/tenant/state.h"
#include "sql_gen.h"

#define ADHOC_MAGIC OBJ_MAGIC('H')
#define ROWS_MAX    10000
#define COLUMNS_MAX 200
#define WAITING_MAX 64
/* The one place where a text becomes part of a statement: the gate has parsed it as one SELECT. */
#define CURSOR_HEAD "declare result no scroll cursor without hold for "

/* Order of the statements. */
enum { BEGIN, STATE, ROWS_BEFORE, USE_VIEWS, CURSOR, FETCH, ROWS_AFTER, END, STMTS };

_Static_assert((int)GATE_RELATION_COUNT <= CACHE_TABLES_MAX, "an answer names a version of each");

TAILQ_HEAD(adhoc_jobs, adhoc_job);

struct adhoc_job {
	unsigned magic;
	TAILQ_ENTRY(adhoc_job) link; /* of those that wait, or of those that run */
	struct adhoc *adhoc;
	struct httpd_request *http; /* NULL: its client left, or was answered */
	struct arena *arena;
	const char *tenant_id, *scope, *actor_id, *query_id;
	const struct snapshot_order *snapshot; /* in the request's arena */
	bool dry_run;
	struct gate_params params;
	struct gate_statement statement;
	const char *tables[GATE_RELATION_COUNT + 1]; /* that it reads; ended by NULL */
	size_t ntables;
	const char *values[GATE_PARAMS_MAX];
	struct sql_stmt cursor, fetch; /* unnamed */
	struct cost_question cost;
	int64_t charged;
	struct pgstmt stmts[STMTS];
	enum quality quality;
	char key[2 * HASH_SHA256_LEN + 1];
	int64_t started_mono_us;
	bool running;        /* its turn came */
	struct query *query; /* NULL: the tenant is being looked up, or nothing was sent yet */
};

struct adhoc {
	struct queryd *st;
	struct adhoc_jobs waiting, running;
	size_t nwaiting, nrunning;
	struct metric_family *outcomes;
	struct metric *seconds, *bytes;
};

/* ---- turns */

static void job_free(struct adhoc_job *j)
{
	arena_free(j->arena);
	j->magic = 0;
	free(j);
}

static void start_next(struct adhoc *a);

/* Out of its list, and the next one's turn. */
static void leave(struct adhoc_job *j)
{
	struct adhoc *a = j->adhoc;

	TAILQ_REMOVE(&a->running, j, link);
	a->nrunning--;
	job_free(j);
	start_next(a);
}

/* ---- the answer */

static void account(struct adhoc_job *j, const char *outcome, bool refused, int64_t bytes,
		    int64_t rows)
{
	int64_t took_us = j->started_mono_us != 0 ? clock_mono_us() - j->started_mono_us : 0;

	cost_end(j->adhoc->st->cost, j->charged,
		 &(struct querylog_entry){.tenant_id = j->tenant_id,
					  .actor_id = j->actor_id,
					  .query_id = j->query_id,
					  .hash = j->key,
					  .kind = "sql",
					  .outcome = outcome,
					  .cache = "BYPASS",
					  .refused = refused,
					  .bytes = bytes,
					  .duration_us = took_us,
					  .rows = rows});
	metric_add(metrics_with(j->adhoc->outcomes, (const char *const[]){outcome}), 1);
}

/* bytes: read until then, -1 when that is not known. */
static void end_problem(struct adhoc_job *j, enum problem_code code, const char *detail,
			int64_t bytes)
{
	account(j, problem_name(code), cost_is_refusal(code), bytes, 0);
	if (j->http != NULL)
		budget_reply_problem(j->http, code, detail);
	leave(j);
}

static int64_t versions_of(const struct adhoc_job *j, const struct pgresult *r,
			   char text[CACHE_VERSIONS_MAX])
{
	int64_t versions[GATE_RELATION_COUNT], total = 0;

	for (size_t i = 0; i < j->ntables; i++) {
		versions[i] = state_version(r, QUERY_RESULT + STATE, j->tables[i]);
		total += versions[i];
	}
	cache_versions_text(versions, j->ntables, text);
	return total;
}

static void write_data(const struct adhoc_job *j, const struct pgresult *r, int64_t version,
		       struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object(&w);
	adhoc_result_write(r, QUERY_RESULT + FETCH, ROWS_MAX, &w);
	jw_key(&w, "totals");
	jw_null(&w);
	jw_key(&w, "nextCursor");
	jw_null(&w);
	jw_key(&w, "metricVersions");
	jw_object(&w);
	jw_end(&w);
	jw_key(&w, "definitionHashes");
	jw_object(&w);
	jw_end(&w);
	jw_key(&w, "dataVersion");
	jw_i64(&w, version);
	if (j->dry_run) {
		jw_key(&w, "dryRun");
		jw_bool(&w, true);
	}
	jw_end(&w);
}

static int64_t bytes_read(const struct pgresult *r)
{
	int64_t rows = pgresult_i64(r, QUERY_RESULT + ROWS_AFTER, 0, 0) -
		       pgresult_i64(r, QUERY_RESULT + ROWS_BEFORE, 0, 0);

	return rows > 0 ? rows * READS_ROW_BYTES : 0;
}

static void answer(struct adhoc_job *j, const struct pgresult *r)
{
	struct strbuf data = STRBUF_INIT;
	char versions[CACHE_VERSIONS_MAX];
	int64_t version = versions_of(j, r, versions);
	struct answer a = {.key = j->key,
			   .versions = versions,
			   .cache = "BYPASS",
			   .bytes = bytes_read(r),
			   .now_us = state_now_us(r, QUERY_RESULT + STATE),
			   .oldest_us = state_oldest_us(r, QUERY_RESULT + STATE),
			   .quality = j->quality,
			   .db_us = clock_mono_us() - j->started_mono_us};

	write_data(j, r, version, &data);
	a.data = strbuf_slice(&data);
	metric_observe(j->adhoc->seconds, (double)a.db_us / 1e6);
	metric_add(j->adhoc->bytes, a.bytes);
	account(j, "ok", false, a.bytes, (int64_t)pgresult_rows(r, QUERY_RESULT + FETCH));
	if (j->http != NULL && j->snapshot != NULL)
		snapshot_send(j->snapshot, &a);
	else if (j->http != NULL)
		answer_send(j->http, &a);
	strbuf_clear(&data);
	leave(j);
}

static void end_error(struct adhoc_job *j, const struct err *e)
{
	const char *detail;
	enum problem_code code = adhoc_refusal(e, &detail);

	if (strcmp(e->sqlstate, "42501") == 0) /* the gate let it pass: look at it */
		log_error("ad-hoc query refused by the server", LOG_S("error", e->msg),
			  LOG_S("tenant_id", j->tenant_id));
	/* what is no SQL over these tables was read by the parser alone */
	end_problem(j, code, detail, strncmp(e->sqlstate, "42", 2) == 0 ? 0 : -1);
}

static void on_result(void *arg, const struct pgresult *r, const struct err *e)
{
	struct adhoc_job *j = arg;
	const char *twice;

	OBJ_CHECK(j, ADHOC_MAGIC);
	j->query = NULL;
	if (e != NULL) {
		end_error(j, e);
		return;
	}
	twice = adhoc_result_twice(r, QUERY_RESULT + FETCH);
	if (pgresult_columns(r, QUERY_RESULT + FETCH) > COLUMNS_MAX)
		end_problem(j, PROBLEM_QUERY_REJECTED, "A result may have 200 columns at most.",
			    bytes_read(r));
	else if (twice != NULL)
		end_problem(j, PROBLEM_QUERY_REJECTED,
			    "Two columns have the same name; name them with AS.", bytes_read(r));
	else
		answer(j, r);
}

/* ---- running */

static void on_admitted(void *arg, enum problem_code verdict, const char *detail, int64_t charged)
{
	struct adhoc_job *j = arg;
	struct tenant *n;

	OBJ_CHECK(j, ADHOC_MAGIC);
	if (verdict != PROBLEM_COUNT) {
		end_problem(j, verdict, detail, 0);
		return;
	}
	n = tenants_find(j->adhoc->st->tenants, j->tenant_id);
	if (n == NULL || j->http == NULL) {
		cost_refund(j->adhoc->st->cost, j->tenant_id, charged);
		end_problem(j, PROBLEM_UNAVAILABLE,
			    "The tenant's data cannot be reached right now.", 0);
		return;
	}
	j->charged = charged;
	j->quality = tenant_quality(n, j->tables);
	j->query = tenant_query(n, j->scope, j->stmts, STMTS, on_result, j);
}

/* What it reads of facts, of which each row lies where the tenant was on its day. The statement
 * would answer with what is left of it. */
static const char *unreadable(const struct adhoc_job *j, const struct tenant *n)
{
	const struct residency *residency = tenant_residency(n);

	for (size_t i = 0; i < j->statement.reads.n; i++) {
		const struct read *r = &j->statement.reads.v[i];
		const char *why = strncmp(r->table, "dim_", 4) != 0
					  ? residency_refusal(residency, r->from, r->to, j->arena)
					  : NULL;

		if (why != NULL)
			return arena_printf(j->arena, "Of %s: %s", r->table, why);
	}
	return NULL;
}

static void run(struct adhoc_job *j, struct tenant *n)
{
	const char *why = unreadable(j, n);

	if (why != NULL) {
		end_problem(j, PROBLEM_QUERY_REJECTED, why, 0);
		return;
	}
	j->started_mono_us = clock_mono_us();
	cost_admit(j->adhoc->st->cost, n, &j->cost, on_admitted, j);
}

static void on_tenant_again(void *arg, const struct err *e)
{
	struct adhoc_job *j = arg;

	OBJ_CHECK(j, ADHOC_MAGIC);
	if (e != NULL || j->http == NULL)
		end_problem(j, PROBLEM_UNAVAILABLE,
			    "The tenant's data cannot be reached right now.", 0);
	else
		run(j, tenants_find(j->adhoc->st->tenants, j->tenant_id));
}

static bool tenant_runs(const struct adhoc *a, const char *tenant_id)
{
	const struct adhoc_job *j;

	TAILQ_FOREACH (j, &a->running, link) {
		if (strcmp(j->tenant_id, tenant_id) == 0)
			return true;
	}
	return false;
}

/* How many may run: the other half of the connections stays for structured queries. */
static size_t lane_width(const struct adhoc *a)
{
	const struct queryd_config *conf = daemon_conf(a->st->daemon);
	int64_t half = daemon_part(a->st->daemon, conf->tenant_connections, 2) / 2;
	int64_t queries = daemon_part(a->st->daemon, conf->adhoc_queries, 1);

	return (size_t)(queries < half ? queries : half);
}

static void start_next(struct adhoc *a)
{
	size_t most = lane_width(a);
	struct adhoc_job *j = TAILQ_FIRST(&a->waiting), *next;

	for (; j != NULL && a->nrunning < most; j = next) {
		struct tenant *n;

		next = TAILQ_NEXT(j, link);
		if (tenant_runs(a, j->tenant_id))
			continue;
		TAILQ_REMOVE(&a->waiting, j, link);
		a->nwaiting--;
		TAILQ_INSERT_TAIL(&a->running, j, link);
		a->nrunning++;
		j->running = true;
		n = tenants_find(a->st->tenants, j->tenant_id);
		if (n != NULL)
			run(j, n);
		else
			tenants_load(a->st->tenants, j->tenant_id, on_tenant_again, j);
	}
}

/* The client left, or its deadline passed; the answer to the latter is ours. */
static void on_gone(void *arg)
{
	struct adhoc_job *j = arg;

	OBJ_CHECK(j, ADHOC_MAGIC);
	httpd_reply_problem(j->http, PROBLEM_QUERY_TIMEOUT, "The query took too long.");
	j->http = NULL;
	if (j->query != NULL) {
		query_cancel(j->query);
	} else if (!j->running) {
		TAILQ_REMOVE(&j->adhoc->waiting, j, link);
		j->adhoc->nwaiting--;
		job_free(j);
	}
}

/* ---- reading the request */

/* Everything that the result depends on besides the data; the clock makes each time another. */
static void make_key(struct adhoc_job *j)
{
	struct strbuf text = STRBUF_INIT;
	unsigned char digest[HASH_SHA256_LEN];

	strbuf_appendf(&text, "adhoc|%s|%s|%d|%s", j->tenant_id, j->scope, j->dry_run,
		       j->statement.sql);
	for (size_t i = 0; i < j->params.n; i++)
		strbuf_appendf(&text, "|%s=%s", j->params.v[i].name,
			       j->values[i] != NULL ? j->values[i] : "\n");
	if (j->statement.reads_the_clock)
		strbuf_appendf(&text, "|%lld", (long long)clock_wall_us());
	hash_sha256(strbuf_slice(&text), digest);
	hash_hex(digest, sizeof(digest), j->key);
	strbuf_clear(&text);
}

static void list_tables(struct adhoc_job *j)
{
	for (size_t i = 0; i < GATE_RELATION_COUNT; i++) {
		if ((j->statement.relations >> i & 1) != 0)
			j->tables[j->ntables++] = gate_relation_name((enum gate_relation)i);
	}
}

static void prepare(struct adhoc_job *j)
{
	static const char *const all_tables[] = {NULL};

	list_tables(j);
	for (size_t i = 0; i < j->params.n; i++)
		j->values[i] = j->params.v[i].value;
	make_key(j);
	j->cost = (struct cost_question){
		.tenant_id = j->tenant_id, .reads = &j->statement.reads, .dry = j->dry_run};
	j->cursor = (struct sql_stmt){"", (int)j->params.n,
				      arena_printf(j->arena, CURSOR_HEAD "%s", j->statement.sql)};
	j->fetch = (struct sql_stmt){
		"", 0,
		arena_printf(j->arena, "fetch %d from result", j->dry_run ? 0 : ROWS_MAX + 1)};
	j->stmts[BEGIN] = (struct pgstmt){&SQL_queryd_begin_block, NULL};
	j->stmts[STATE] = (struct pgstmt){&SQL_queryd_read_state, NULL};
	j->stmts[ROWS_BEFORE] = (struct pgstmt){&SQL_queryd_count_rows_read, all_tables};
	j->stmts[USE_VIEWS] = (struct pgstmt){&SQL_queryd_use_views, NULL};
	j->stmts[CURSOR] = (struct pgstmt){&j->cursor, j->values};
	j->stmts[FETCH] = (struct pgstmt){&j->fetch, NULL};
	j->stmts[ROWS_AFTER] = (struct pgstmt){&SQL_queryd_count_rows_read, all_tables};
	j->stmts[END] = (struct pgstmt){&SQL_queryd_end_block, NULL};
}

/* false: answered. */
static bool read_question(struct adhoc_job *j, const struct adhoc_question *q)
{
	struct gate_refusal why;
	struct gate_fault fault;

	for (size_t i = 0; i < ARRAY_SIZE(q->params); i++) {
		if (gate_params_read(q->params[i], j->arena, &j->params, &fault) < 0) {
			httpd_reply_violations(
				j->http, &(struct problem_violation){fault.field, fault.detail}, 1);
			return false;
		}
	}
	if (gate_check(slice_of(q->sql), &j->params, j->arena, &j->statement, &why) == 0)
		return true;
	j->statement = (struct gate_statement){.sql = q->sql};
	make_key(j);
	account(j, problem_name(PROBLEM_QUERY_REJECTED), true, 0, 0);
	httpd_reply_problem(j->http, PROBLEM_QUERY_REJECTED,
			    why.position == 0 ? why.detail
					      : arena_printf(j->arena, "At character %d of sql: %s",
							     why.position, why.detail));
	return false;
}

void adhoc_serve(const struct call *c, const struct adhoc_question *q)
{
	struct adhoc *a = c->st->adhoc;
	struct adhoc_job *j = xcalloc(1, sizeof(*j));

	*j = (struct adhoc_job){.magic = ADHOC_MAGIC,
				.adhoc = a,
				.http = c->http,
				.arena = arena_new(),
				.snapshot = q->snapshot,
				.dry_run = q->dry_run};
	j->tenant_id = arena_strdup(j->arena, c->principal->tenant_id);
	j->scope = arena_strdup(j->arena, c->principal->scope);
	j->actor_id = arena_strdup(j->arena, c->principal->user_id);
	j->query_id = q->query_id != NULL ? arena_strdup(j->arena, q->query_id) : NULL;
	if (!read_question(j, q)) {
		job_free(j);
		return;
	}
	if (!c->principal->all_properties && c->principal->nproperties == 0) {
		httpd_reply_problem(c->http, PROBLEM_PROPERTY_SCOPE_VIOLATION,
				    "The token reaches no property.");
		job_free(j);
		return;
	}
	if (a->nwaiting == WAITING_MAX) {
		httpd_reply_problem(c->http, PROBLEM_UNAVAILABLE,
				    "Too many ad-hoc queries wait; send it again later.");
		job_free(j);
		return;
	}
	prepare(j);
	httpd_set_deadline(c->http, q->deadline_ms, PROBLEM_QUERY_TIMEOUT);
	httpd_set_gone(c->http, on_gone, j);
	TAILQ_INSERT_TAIL(&a->waiting, j, link);
	a->nwaiting++;
	start_next(a);
}

struct adhoc *adhoc_new(struct queryd *st)
{
	struct adhoc *a = xcalloc(1, sizeof(*a));

	a->st = st;
	TAILQ_INIT(&a->waiting);
	TAILQ_INIT(&a->running);
	a->outcomes = metrics_counter_family("query_adhoc_total", "Ad-hoc queries by outcome",
					     "outcome");
	a->seconds = metrics_histogram("query_adhoc_seconds", "Time in the database of ad-hoc SQL",
				       METRICS_SECONDS, METRICS_SECONDS_COUNT);
	a->bytes = metrics_counter("query_adhoc_bytes_total", "Bytes read by ad-hoc queries");
	return a;
}

void adhoc_free(struct adhoc *a)
{
	ASSERT(a == NULL || (TAILQ_EMPTY(&a->running) && TAILQ_EMPTY(&a->waiting)));
	free(a);
}
