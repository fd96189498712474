/*
 * Admission; see cost.h.
 *
 *   ceilings known and small ──────────────────────────▶ charged ─▶ admitted
 *   some unknown ─▶ planned over all history ─▶ again
 *   else ─▶ the very statements planned ─▶ within the cap? ─▶ charged ─▶ admitted
 */
#include "queryd/cost/cost.h"

#include <errno.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/metrics.h"
#include "common/xalloc.h"
#include "queryd/cost/budget.h"
#include "queryd/metric/parts.h"
#include "sql_gen.h"

#define ADMISSION_MAGIC OBJ_MAGIC('$')
#define BLOCK_BYTES     8192
#define CEILINGS        4096 /* a newer one takes the place of one with the same hash */
#define CEILING_MS      600000
#define TENANT_MAX      64
/* Up to here the ceiling is as good as an estimate: it is charged for a moment only. */
#define CEILING_SMALL ((int64_t)16 << 20)
#define EXPLAIN       "explain "

/* Order of the statements. */
enum { BEGIN, USE_VIEWS, COST_UNIT, FIRST_PLAN };

struct ceiling {
	char tenant_id[TENANT_MAX];
	const struct sql_stmt *stmt;
	int64_t bytes, known_ms;
};

struct cost {
	struct queryd *st;
	struct budget *budget;
	struct querylog *log;
	struct ceiling ceilings[CEILINGS];
	void (*settled)(void *arg);
	void *settled_arg;
	struct metric_family *verdicts;
	struct metric *estimated, *read;
};

struct admission {
	unsigned magic;
	struct cost *cost;
	struct arena *arena;
	const struct cost_question *question;
	cost_fn fn;
	void *arg;
	int64_t bytes; /* the estimate */
	bool ceilings; /* that are being planned, not the very statements */
	const struct sql_stmt *planned[COST_STMTS_MAX];
	size_t nplanned;
	struct pgstmt stmts[FIRST_PLAN + COST_STMTS_MAX + 1];
};

/* ---- ceilings */

static struct ceiling *ceiling_of(struct cost *c, const char *tenant_id, const struct sql_stmt *s)
{
	uint64_t h = hash_fast(slice_of(tenant_id)) ^ hash_fast(slice_of(s->name));

	return &c->ceilings[h % CEILINGS];
}

/* -1: not known. */
static int64_t known_ceiling(struct cost *c, const char *tenant_id, const struct sql_stmt *s)
{
	const struct ceiling *k = ceiling_of(c, tenant_id, s);

	if (k->stmt != s || strcmp(k->tenant_id, tenant_id) != 0 ||
	    clock_mono_ms() - k->known_ms > CEILING_MS)
		return -1;
	return k->bytes;
}

static void keep_ceiling(struct cost *c, const char *tenant_id, const struct sql_stmt *s,
			 int64_t bytes)
{
	struct ceiling *k = ceiling_of(c, tenant_id, s);

	ASSERT(strlen(tenant_id) < sizeof(k->tenant_id));
	memcpy(k->tenant_id, tenant_id, strlen(tenant_id) + 1);
	k->stmt = s;
	k->bytes = bytes;
	k->known_ms = clock_mono_ms();
}

/* ---- the verdict */

static void end(struct admission *a, enum problem_code verdict, const char *detail,
		const struct err *e)
{
	const char *name = verdict == PROBLEM_COUNT ? "admitted" : problem_name(verdict);

	if (e == NULL)
		metric_add(metrics_with(a->cost->verdicts, (const char *const[]){name}), 1);
	a->fn(a->arg, verdict, detail, a->bytes, e);
	arena_free(a->arena);
	a->magic = 0;
	free(a);
}

static const char *why_not(enum problem_code verdict)
{
	if (verdict == PROBLEM_BUDGET_EXCEEDED)
		return "What the tenant may read in a day is used up; it begins anew at midnight "
		       "UTC.";
	if (verdict == PROBLEM_TENANT_NOT_FOUND)
		return "The tenant was deleted.";
	return "What the tenant may read cannot be looked up right now.";
}

static void on_charged(void *arg, enum problem_code verdict)
{
	struct admission *a = arg;

	OBJ_CHECK(a, ADMISSION_MAGIC);
	if (verdict == PROBLEM_COUNT)
		metric_add(a->cost->estimated, a->bytes);
	end(a, verdict, why_not(verdict), NULL);
}

static void charge(struct admission *a)
{
	const struct queryd_config *conf = daemon_conf(a->cost->st->daemon);

	if (a->bytes > conf->query_byte_cap)
		end(a, PROBLEM_QUERY_BYTE_CAP_EXCEEDED,
		    "It would read more than one query may: ask for a shorter time or for less.",
		    NULL);
	else if (a->question->dry)
		end(a, PROBLEM_COUNT, "", NULL);
	else
		budget_charge(a->cost->budget, a->question->tenant_id, a->bytes, on_charged, a);
}

/* ---- planning */

/* "Aggregate  (cost=12.50..40.25 rows=1 width=8)": the second figure, of the whole plan. */
static int64_t bytes_of(const char *plan, double unit)
{
	const char *at = strstr(plan, "(cost=");
	double bytes;

	at = at != NULL ? strstr(at, "..") : NULL;
	ASSERT(at != NULL);
	bytes = strtod(at + 2, NULL) * BLOCK_BYTES / (unit > 0 ? unit : 1);
	return bytes < (double)(INT64_MAX / COST_STMTS_MAX) ? (int64_t)bytes
							    : INT64_MAX / COST_STMTS_MAX;
}

static void step(struct admission *a, struct tenant *n);

static void on_planned(void *arg, const struct pgresult *r, const struct err *e)
{
	struct admission *a = arg;
	const struct cost_question *q = a->question;
	struct tenant *n;
	double unit;

	OBJ_CHECK(a, ADMISSION_MAGIC);
	if (e != NULL) {
		end(a, PROBLEM_UNAVAILABLE, "", e);
		return;
	}
	unit = strtod(pgresult_text(r, QUERY_RESULT + COST_UNIT, 0, 0), NULL);
	a->bytes = 0;
	for (size_t i = 0; i < a->nplanned; i++) {
		const char *text = pgresult_text(r, QUERY_RESULT + FIRST_PLAN + i, 0, 0);
		int64_t bytes = bytes_of(text, unit);

		if (a->ceilings)
			keep_ceiling(a->cost, q->tenant_id, a->planned[i], bytes);
		a->bytes += bytes;
	}
	if (!a->ceilings) {
		charge(a);
		return;
	}
	n = tenants_find(a->cost->st->tenants, q->tenant_id);
	if (n != NULL)
		step(a, n);
	else
		end(a, PROBLEM_UNAVAILABLE, "The tenant's data cannot be reached right now.", NULL);
}

static void add_plan(struct admission *a, const struct pgstmt *s, const char *const *params)
{
	struct sql_stmt *explain = arena_alloc(a->arena, sizeof(*explain));

	*explain = (struct sql_stmt){"", s->stmt->nparams,
				     arena_printf(a->arena, EXPLAIN "%s", s->stmt->text)};
	a->planned[a->nplanned] = s->stmt;
	a->stmts[FIRST_PLAN + a->nplanned++] = (struct pgstmt){explain, params};
}

static void run_plans(struct admission *a, struct tenant *n)
{
	a->stmts[BEGIN] = (struct pgstmt){&SQL_queryd_begin_block, NULL};
	a->stmts[USE_VIEWS] = (struct pgstmt){&SQL_queryd_use_views, NULL};
	a->stmts[COST_UNIT] = (struct pgstmt){&SQL_queryd_show_cost_unit, NULL};
	a->stmts[FIRST_PLAN + a->nplanned] = (struct pgstmt){&SQL_queryd_end_block, NULL};
	(void)tenant_query(n, a->question->scope, a->stmts, FIRST_PLAN + a->nplanned + 1,
			   on_planned, a);
}

static void plan_ceilings(struct admission *a, struct tenant *n)
{
	static const char *const whole[SOURCE_PARAMS_HISTORY] = {"2000-01-01", "2099-12-31", NULL,
								 "{}"};
	const struct cost_question *q = a->question;

	a->ceilings = true;
	for (size_t i = 0; i < q->n; i++) {
		bool twice = false;

		for (size_t k = 0; k < a->nplanned; k++)
			twice |= a->planned[k] == q->stmts[i].stmt;
		if (!twice && known_ceiling(a->cost, q->tenant_id, q->stmts[i].stmt) < 0)
			add_plan(a, &q->stmts[i], whole);
	}
	run_plans(a, n);
}

static void plan_statements(struct admission *a, struct tenant *n)
{
	const struct cost_question *q = a->question;

	a->ceilings = false;
	a->nplanned = 0;
	for (size_t i = 0; i < q->n; i++)
		add_plan(a, &q->stmts[i], q->stmts[i].params);
	run_plans(a, n);
}

static void step(struct admission *a, struct tenant *n)
{
	const struct cost_question *q = a->question;
	bool known = q->frozen;
	int64_t sum = 0;

	for (size_t i = 0; i < q->n && known; i++) {
		int64_t bytes = known_ceiling(a->cost, q->tenant_id, q->stmts[i].stmt);

		known = bytes >= 0;
		sum += bytes;
	}
	if (known && sum <= CEILING_SMALL) {
		a->bytes = sum;
		charge(a);
	} else if (q->frozen && !known && !a->ceilings) {
		plan_ceilings(a, n);
	} else {
		plan_statements(a, n);
	}
}

void cost_admit(struct cost *c, struct tenant *n, const struct cost_question *q, cost_fn fn,
		void *arg)
{
	struct admission *a = xcalloc(1, sizeof(*a));

	ASSERT(q->n <= COST_STMTS_MAX);
	a->magic = ADMISSION_MAGIC;
	a->cost = c;
	a->arena = arena_new();
	a->question = q;
	a->fn = fn;
	a->arg = arg;
	step(a, n);
}

void cost_end(struct cost *c, int64_t charged, const struct querylog_entry *entry)
{
	struct querylog_entry e = *entry;

	if (e.bytes < 0)
		e.bytes = charged;
	budget_correct(c->budget, e.tenant_id, charged, e.bytes);
	metric_add(c->read, e.bytes);
	querylog_add(c->log, &e);
}

void cost_refund(struct cost *c, const char *tenant_id, int64_t charged)
{
	budget_correct(c->budget, tenant_id, charged, 0);
}

bool cost_is_refusal(enum problem_code code)
{
	return code == PROBLEM_QUERY_BYTE_CAP_EXCEEDED || code == PROBLEM_BUDGET_EXCEEDED ||
	       code == PROBLEM_QUERY_REJECTED;
}

/* ---- life */

struct cost *cost_new(struct queryd *st)
{
	struct cost *c = xcalloc(1, sizeof(*c));

	c->st = st;
	c->budget = st->budget;
	c->log = querylog_new(st->daemon, st->control, st->courier);
	c->verdicts = metrics_counter_family(
		"query_admissions_total", "Queries to be computed, by what was decided", "verdict");
	c->estimated = metrics_counter("query_estimated_bytes_total",
				       "Bytes that admitted queries were estimated to read");
	c->read = metrics_counter("query_read_bytes_total", "Bytes that admitted queries read");
	return c;
}

static void on_logged(void *arg)
{
	struct cost *c = arg;

	c->settled(c->settled_arg);
}

static void on_budget_settled(void *arg)
{
	struct cost *c = arg;

	querylog_flush(c->log, on_logged, c);
}

void cost_settle(struct cost *c, void (*fn)(void *arg), void *arg)
{
	c->settled = fn;
	c->settled_arg = arg;
	budget_settle(c->budget, on_budget_settled, c);
}

void cost_stop(struct cost *c)
{
	if (c != NULL)
		querylog_stop(c->log);
}

void cost_free(struct cost *c)
{
	if (c == NULL)
		return;
	querylog_free(c->log);
	free(c);
}
