/* One evaluation as a chain of steps; see evaluate.h. */
#include "dqd/evaluate.h"

#include "common/base/num.h"
#include "common/base/strbuf.h"
#include "common/base/ulid.h"
#include "common/base/xalloc.h"
#include "dqd/alerts.h"
#include "dqd/checks.h"
#include "sql_gen.h"

#define EVALUATION_MAGIC   OBJ_MAGIC('e')
#define STATEMENT_LIMIT_MS (2 * 60 * 1000)

/* Results of one evaluation as parallel array literals, parameters of store_results.sql. */
enum column { COL_CHECK, COL_TENANT, COL_RESULT, COL_STATE, COL_OBSERVED, COL_EXPECTED, COL_COUNT };
#define AS_OF   COL_COUNT /* its last parameter */
#define NPARAMS (COL_COUNT + 1)

struct evaluation {
	unsigned magic;
	struct evaluate_target target;
	evaluate_fn fn;
	void *arg;
	char *tenants;
	struct check_set *checks;
	size_t kind; /* being measured */
	struct strbuf columns[COL_COUNT];
	const char *params[NPARAMS];
	struct evaluate_report report;
};

static void end(struct evaluation *ev, const struct err *e)
{
	ev->fn(ev->arg, &ev->report, e);
	check_set_free(ev->checks);
	for (size_t i = 0; i < COL_COUNT; i++)
		strbuf_clear(&ev->columns[i]);
	free(ev->tenants);
	ev->magic = 0;
	free(ev);
}

/* Ids, names of states and numbers need no quotes. */
static void append(struct strbuf *array, const char *element)
{
	strbuf_append_char(array, array->len == 0 ? '{' : ',');
	strbuf_append_str(array, element);
}

static bool is_platform(const char *tenant_id)
{
	return strcmp(tenant_id, EVALUATE_PLATFORM) == 0;
}

/* ---- store */

static void on_told(void *arg, const struct err *e)
{
	struct evaluation *ev = arg;

	OBJ_CHECK(ev, EVALUATION_MAGIC);
	end(ev, e);
}

static void on_stored(void *arg, const struct pgresult *r, const struct err *e)
{
	struct evaluation *ev = arg;

	OBJ_CHECK(ev, EVALUATION_MAGIC);
	if (e != NULL) {
		end(ev, e);
		return;
	}
	ev->report.changed = (int64_t)pgresult_rows(r, 0);
	alerts_tell(&ev->target, r, on_told, ev);
}

static void store(struct evaluation *ev)
{
	for (size_t i = 0; i < COL_COUNT; i++) {
		strbuf_append_char(&ev->columns[i], '}');
		ev->params[i] = strbuf_cstr(&ev->columns[i]);
	}
	ev->params[AS_OF] = check_set_as_of(ev->checks);
	pgpool_exec(ev->target.control, NULL, &SQL_dqd_store_results, ev->params,
		    STATEMENT_LIMIT_MS, on_stored, ev);
}

/* ---- measure and judge */

static void judge(struct evaluation *ev, const struct check *c, const char *tenant_id,
		  struct slice observed_text, struct slice expected_text)
{
	double observed = 0, expected = 0;
	char id[40], number[40];
	bool known, passes;

	known = num_double(observed_text, &observed) == 0 &&
		(expected_text.len == 0 || num_double(expected_text, &expected) == 0);
	passes = known && c->kind->passes(observed, expected, c->limit);
	ulid_prefixed("dqr", id, sizeof(id));
	append(&ev->columns[COL_CHECK], c->check_id);
	append(&ev->columns[COL_TENANT], tenant_id);
	append(&ev->columns[COL_RESULT], id);
	append(&ev->columns[COL_STATE], !known ? "unknown" : passes ? "pass" : "fail");
	(void)snprintf(number, sizeof(number), "%.12g", observed);
	append(&ev->columns[COL_OBSERVED], known ? number : "NULL");
	(void)snprintf(number, sizeof(number), "%.12g", c->kind->shown(expected, c->limit));
	append(&ev->columns[COL_EXPECTED], number);
	ev->report.checked++;
	ev->report.failing += !passes;
	ev->report.platform_checked += is_platform(tenant_id);
	ev->report.platform_failing += is_platform(tenant_id) && !passes;
}

static void measure_next(struct evaluation *ev);

/* Columns: table_name, column_name, tenant_id, observed, expected. */
static void on_measured(void *arg, const struct pgresult *r, const struct err *e)
{
	struct evaluation *ev = arg;
	const struct check_kind *kind;

	OBJ_CHECK(ev, EVALUATION_MAGIC);
	if (e != NULL) {
		end(ev, e);
		return;
	}
	kind = &check_kinds[ev->kind++];
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		const char *table = pgresult_text(r, 0, row, 0);
		const char *tenant_id = pgresult_text(r, 0, row, 2);
		const struct check *c = check_find(ev->checks, kind, table,
						   pgresult_text(r, 0, row, 1), tenant_id);

		if (c != NULL && (ev->target.table == NULL || strcmp(ev->target.table, table) == 0))
			judge(ev, c, tenant_id, pgresult_slice(r, 0, row, 3),
			      pgresult_slice(r, 0, row, 4));
	}
	measure_next(ev);
}

static void measure_next(struct evaluation *ev)
{
	if (ev->kind < check_kind_count) {
		ev->params[0] = ev->tenants;
		pgpool_exec(ev->target.warehouse, NULL, check_kinds[ev->kind].measure, ev->params,
			    STATEMENT_LIMIT_MS, on_measured, ev);
	} else if (ev->report.checked > 0) {
		store(ev);
	} else {
		end(ev, NULL);
	}
}

static void on_listed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct evaluation *ev = arg;

	OBJ_CHECK(ev, EVALUATION_MAGIC);
	if (e != NULL) {
		end(ev, e);
		return;
	}
	ev->checks = check_set_new(r);
	measure_next(ev);
}

void evaluate_start(const struct evaluate_target *t, const char *tenants, evaluate_fn fn, void *arg)
{
	struct evaluation *ev = xcalloc(1, sizeof(*ev));

	ev->magic = EVALUATION_MAGIC;
	ev->target = *t;
	ev->fn = fn;
	ev->arg = arg;
	ev->tenants = xstrdup(tenants);
	for (size_t i = 0; i < COL_COUNT; i++)
		ev->columns[i] = STRBUF_INIT;
	pgpool_exec(t->control, NULL, &SQL_dqd_list_checks, NULL, STATEMENT_LIMIT_MS, on_listed,
		    ev);
}
