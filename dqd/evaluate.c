/* One evaluation as a chain of steps; see evaluate.h. */
#include "dqd/evaluate.h"

#include "common/base/arena.h"
#include "common/base/json.h"
#include "common/base/num.h"
#include "common/base/ulid.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/pg/outbox.h"
#include "dqd/checks.h"
#include "sql_gen.h"

#define EVALUATION_MAGIC   OBJ_MAGIC('e')
#define STATEMENT_LIMIT_MS (2 * 60 * 1000)
#define PLATFORM           "_platform" /* whose results no tenant sees */
#define ALERT_SUBJECT      "melmastoon.analytics.data_quality.alert.v1"

/* Results of one evaluation as parallel array literals, parameters of store_results.sql. */
enum column { COL_CHECK, COL_TENANT, COL_RESULT, COL_STATE, COL_OBSERVED, COL_EXPECTED, COL_COUNT };
#define AS_OF     COL_COUNT /* its last parameter */
#define NPARAMS   (COL_COUNT + 1)
#define ID_PREFIX "dqr"

/* What was told, parallel array literals too: parameters of mark_told.sql. */
enum told { TOLD_CHECK, TOLD_TENANT, TOLD_STATE, TOLD_COUNT };

/* An alert to write: a result whose state is not what was told last. */
struct alert {
	const char *tenant_id, *event_id;
	struct strbuf envelope;
};

struct evaluation {
	unsigned magic;
	struct evaluate_target target;
	evaluate_fn fn;
	void *arg;
	struct arena *arena;
	char *tenants;
	struct check_set *checks;
	size_t kind; /* being measured */
	struct strbuf columns[COL_COUNT], told[TOLD_COUNT];
	const char *params[NPARAMS];
	struct alert *alerts;
	size_t nalerts, next_alert;
	struct evaluate_report report;
};

static void end(struct evaluation *ev, const struct err *e)
{
	ev->fn(ev->arg, &ev->report, e);
	check_set_free(ev->checks);
	for (size_t i = 0; i < COL_COUNT; i++)
		strbuf_clear(&ev->columns[i]);
	for (size_t i = 0; i < TOLD_COUNT; i++)
		strbuf_clear(&ev->told[i]);
	for (size_t i = 0; i < ev->nalerts; i++)
		strbuf_clear(&ev->alerts[i].envelope);
	free(ev->alerts);
	arena_free(ev->arena);
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

static const char *array_end(struct strbuf *array)
{
	strbuf_append_char(array, '}');
	return strbuf_cstr(array);
}

/* ---- alerts */

static void put(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_str(w, value);
}

static void put_number(struct json_writer *w, const char *key, struct slice number)
{
	jw_key(w, key);
	if (number.len == 0)
		jw_null(w);
	else
		jw_raw(w, number);
}

static bool is_platform(const char *tenant_id)
{
	return strcmp(tenant_id, PLATFORM) == 0;
}

/* As events name it. */
static const char *owner_of(const char *tenant_id)
{
	return is_platform(tenant_id) ? NULL : tenant_id;
}

/* Columns of store_results.sql: check_id, change_id, tenant_id, table, kind, severity, observed,
 * expected, state, since (RFC 3339). */
static void make_alert(struct evaluation *ev, const struct pgresult *r, size_t row)
{
	struct alert *a = &ev->alerts[ev->nalerts++];
	struct strbuf payload = STRBUF_INIT;
	struct json_writer w;
	const char *state = strcmp(pgresult_text(r, 0, row, 8), "fail") == 0 ? "raised"
									     : "resolved";
	char event_id[40];

	/* the event of a change: whoever tells it, it has this id */
	(void)snprintf(event_id, sizeof(event_id), "evt%s",
		       pgresult_text(r, 0, row, 1) + strlen(ID_PREFIX));
	a->event_id = arena_strdup(ev->arena, event_id);
	a->tenant_id = arena_strdup(ev->arena, pgresult_text(r, 0, row, 2));
	append(&ev->told[TOLD_CHECK], pgresult_text(r, 0, row, 0));
	append(&ev->told[TOLD_TENANT], a->tenant_id);
	append(&ev->told[TOLD_STATE], pgresult_text(r, 0, row, 8));
	a->envelope = STRBUF_INIT;
	jw_init(&w, &payload);
	jw_object(&w);
	put(&w, "checkId", pgresult_text(r, 0, row, 0));
	put(&w, "resultId", pgresult_text(r, 0, row, 1));
	put(&w, "table", pgresult_text(r, 0, row, 3));
	put(&w, "kind", pgresult_text(r, 0, row, 4));
	put(&w, "severity", pgresult_text(r, 0, row, 5));
	put_number(&w, "observed", pgresult_slice(r, 0, row, 6));
	put_number(&w, "expected", pgresult_slice(r, 0, row, 7));
	put(&w, "state", state);
	put(&w, "since", pgresult_text(r, 0, row, 9));
	jw_end(&w);
	outbox_envelope(&(struct outbox_event){.id = a->event_id,
					       .subject = ALERT_SUBJECT,
					       .tenant_id = owner_of(a->tenant_id),
					       .ordering_key = a->tenant_id,
					       .instance = ev->target.instance,
					       .retention_class = "operational_2y",
					       .payload = strbuf_slice(&payload)},
			&a->envelope);
	log_warn("data quality changed", LOG_S("tenant_id", a->tenant_id),
		 LOG_S("table", pgresult_text(r, 0, row, 3)),
		 LOG_S("kind", pgresult_text(r, 0, row, 4)), LOG_S("state", state),
		 LOG_S("observed", pgresult_text(r, 0, row, 6)),
		 LOG_S("expected", pgresult_text(r, 0, row, 7)));
	strbuf_clear(&payload);
}

static void write_next_alert(struct evaluation *ev);

static void on_alert_written(void *arg, const struct pgresult *r, const struct err *e)
{
	struct evaluation *ev = arg;

	OBJ_CHECK(ev, EVALUATION_MAGIC);
	(void)r;
	if (e != NULL)
		end(ev, e);
	else
		write_next_alert(ev);
}

static void on_told(void *arg, const struct pgresult *r, const struct err *e)
{
	struct evaluation *ev = arg;

	OBJ_CHECK(ev, EVALUATION_MAGIC);
	(void)r;
	end(ev, e);
}

/* After the last one: an end before it repeats alerts, by ids that are there already. */
static void mark_told(struct evaluation *ev)
{
	if (ev->nalerts == 0) {
		end(ev, NULL);
		return;
	}
	for (size_t i = 0; i < TOLD_COUNT; i++)
		ev->params[i] = array_end(&ev->told[i]);
	pgpool_exec(ev->target.control, NULL, &SQL_dqd_mark_told, ev->params, STATEMENT_LIMIT_MS,
		    on_told, ev);
}

static void write_next_alert(struct evaluation *ev)
{
	const struct alert *a;

	if (ev->next_alert == ev->nalerts) {
		mark_told(ev);
		return;
	}
	a = &ev->alerts[ev->next_alert++];
	ev->params[0] = a->tenant_id; /* alerts of a tenant keep their order */
	ev->params[1] = ALERT_SUBJECT;
	ev->params[2] = owner_of(a->tenant_id);
	ev->params[3] = strbuf_cstr(&a->envelope);
	ev->params[4] = a->event_id;
	pgpool_exec(ev->target.warehouse, NULL, &SQL_outbox_append, ev->params, STATEMENT_LIMIT_MS,
		    on_alert_written, ev);
}

/* ---- store */

static void on_stored(void *arg, const struct pgresult *r, const struct err *e)
{
	struct evaluation *ev = arg;

	OBJ_CHECK(ev, EVALUATION_MAGIC);
	if (e != NULL) {
		end(ev, e);
		return;
	}
	ev->alerts = xcalloc(pgresult_rows(r, 0), sizeof(*ev->alerts));
	for (size_t row = 0; row < pgresult_rows(r, 0); row++)
		make_alert(ev, r, row);
	ev->report.changed = (int64_t)ev->nalerts;
	write_next_alert(ev);
}

static void store(struct evaluation *ev)
{
	for (size_t i = 0; i < COL_COUNT; i++)
		ev->params[i] = array_end(&ev->columns[i]);
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
	ulid_prefixed(ID_PREFIX, id, sizeof(id));
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
	ev->arena = arena_new();
	ev->tenants = xstrdup(tenants);
	for (size_t i = 0; i < COL_COUNT; i++)
		ev->columns[i] = STRBUF_INIT;
	for (size_t i = 0; i < TOLD_COUNT; i++)
		ev->told[i] = STRBUF_INIT;
	pgpool_exec(t->control, NULL, &SQL_dqd_list_checks, NULL, STATEMENT_LIMIT_MS, on_listed,
		    ev);
}
