/*
 * Switching versions as chains of statements; see versions.h.
 *
 *   act:      dependents ─▶ switch ─▶ publish ─▶ list ─▶ record
 *             drop ──────────────────────────────▲
 *   advance:  prepare ─▶ (ready) act
 */
#include "etld/build/versions.h"

#include "common/base/xalloc.h"
#include "sql_gen.h"

#define VERSIONS_MAGIC     OBJ_MAGIC('v')
#define STATEMENT_LIMIT_MS 600000 /* a comparison reads all rows of a tenant */

struct change {
	unsigned magic;
	struct versions_env env;
	enum versions_act act;
	const struct consumer *consumer;
	versions_fn fn;
	void *arg;
};

static void ask(struct change *c, struct pgpool *pool, const struct sql_stmt *s,
		const char *const *params, pgconn_fn fn)
{
	pgpool_exec(pool, NULL, s, params, STATEMENT_LIMIT_MS, fn, c);
}

static void end(struct change *c, const struct err *e)
{
	c->fn(c->arg, e);
	c->magic = 0;
	free(c);
}

static void on_recorded(void *arg, const struct pgresult *r, const struct err *e)
{
	struct change *c = arg;

	OBJ_CHECK(c, VERSIONS_MAGIC);
	(void)r;
	end(c, e);
}

/* One row: (tables, live, beside, building), the parameters of record_versions.sql. */
static void on_listed(void *arg, const struct pgresult *r, const struct err *e)
{
	enum { COLUMNS = 4 };
	struct change *c = arg;
	const char *params[COLUMNS];

	OBJ_CHECK(c, VERSIONS_MAGIC);
	if (e != NULL) {
		end(c, e);
		return;
	}
	for (size_t i = 0; i < COLUMNS; i++)
		params[i] = pgresult_text(r, 0, 0, i);
	ask(c, c->env.control, &SQL_etld_record_versions, params, on_recorded);
}

static void list(struct change *c)
{
	const char *params[] = {c->consumer->name};

	ask(c, c->env.warehouse, &SQL_etld_list_versions, params, on_listed);
}

static void on_dropped(void *arg, const struct pgresult *r, const struct err *e)
{
	struct change *c = arg;

	OBJ_CHECK(c, VERSIONS_MAGIC);
	(void)r;
	if (e != NULL)
		end(c, e);
	else
		list(c);
}

/* Rows: (tenant_id, table_name, data_version). */
static void on_switched(void *arg, const struct pgresult *r, const struct err *e)
{
	struct change *c = arg;

	OBJ_CHECK(c, VERSIONS_MAGIC);
	if (e != NULL) {
		end(c, e);
		return;
	}
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		struct unit_version v = {pgresult_text(r, 0, row, 0), pgresult_text(r, 0, row, 1),
					 pgresult_i64(r, 0, row, 2)};

		publish_versions(c->env.publisher, &v, 1);
	}
	list(c);
}

static void on_dependents(void *arg, const struct pgresult *r, const struct err *e)
{
	struct change *c = arg;
	const char *params[] = {c->consumer->name, c->act == VERSIONS_SWITCH ? "built" : "kept",
				NULL};

	OBJ_CHECK(c, VERSIONS_MAGIC);
	if (e != NULL) {
		end(c, e);
		return;
	}
	params[2] = pgresult_text(r, 0, 0, 0);
	ask(c, c->env.warehouse, &SQL_etld_switch_version, params, on_switched);
}

void versions_do(const struct versions_env *env, enum versions_act act,
		 const struct consumer *consumer, versions_fn fn, void *arg)
{
	struct change *c = xcalloc(1, sizeof(*c));
	char tables[CONSUMER_TABLES_LEN];
	const char *by_tables[] = {tables}, *by_consumer[] = {consumer->name};

	*c = (struct change){VERSIONS_MAGIC, *env, act, consumer, fn, arg};
	consumer_tables(consumer, tables);
	switch (act) {
	case VERSIONS_SWITCH:
	case VERSIONS_ROLL_BACK:
		ask(c, env->control, &SQL_etld_list_dependents, by_tables, on_dependents);
		break;
	case VERSIONS_DROP:
		ask(c, env->warehouse, &SQL_etld_drop_version, by_consumer, on_dropped);
		break;
	case VERSIONS_RECORD:
		list(c);
		break;
	}
}

bool versions_busy(const struct err *e)
{
	return pg_error_class(e) == PG_ERROR_RETRY;
}

/* ---- advancing */

struct advance {
	unsigned magic;
	struct versions_env env;
	const struct consumer *consumer;
	bool hold;
	versions_step_fn fn;
	void *arg;
};

static void advanced(struct advance *a, enum versions_step step, const struct err *e)
{
	a->fn(a->arg, step, e);
	a->magic = 0;
	free(a);
}

static void on_act(void *arg, const struct err *e)
{
	struct advance *a = arg;

	OBJ_CHECK(a, VERSIONS_MAGIC);
	if (e == NULL)
		advanced(a, a->hold ? VERSIONS_HELD : VERSIONS_SWITCHED, NULL);
	else if (versions_busy(e))
		advanced(a, VERSIONS_WAITING, NULL);
	else
		advanced(a, VERSIONS_ERROR, e);
}

/* One row: (step, rest). */
static void on_prepared(void *arg, const struct pgresult *r, const struct err *e)
{
	struct advance *a = arg;
	const char *step;

	OBJ_CHECK(a, VERSIONS_MAGIC);
	if (e != NULL) {
		advanced(a, VERSIONS_ERROR, e);
		return;
	}
	step = pgresult_text(r, 0, 0, 0);
	if (strcmp(step, "comparing") == 0)
		advanced(a, VERSIONS_COMPARING, NULL);
	else if (strcmp(step, "waiting") == 0)
		advanced(a, VERSIONS_WAITING, NULL);
	else if (strcmp(step, "ready") == 0 && !a->hold)
		versions_do(&a->env, VERSIONS_SWITCH, a->consumer, on_act, a);
	else /* held, or an attempt before has switched and died */
		versions_do(&a->env, VERSIONS_RECORD, a->consumer, on_act, a);
}

void versions_advance(const struct versions_env *env, const struct consumer *c, const char *job_id,
		      bool hold, versions_step_fn fn, void *arg)
{
	struct advance *a = xcalloc(1, sizeof(*a));
	const char *params[] = {c->name, job_id};

	*a = (struct advance){VERSIONS_MAGIC, *env, c, hold, fn, arg};
	pgpool_exec(env->warehouse, NULL, &SQL_etld_prepare_switch, params, STATEMENT_LIMIT_MS,
		    on_prepared, a);
}
