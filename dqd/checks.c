/* Kinds of checks and the loaded definitions; see checks.h. */
#include "dqd/checks.h"

#include <math.h>

#include "common/base/num.h"
#include "common/base/xalloc.h"
#include "common/pg/pgconn.h"
#include "sql_gen.h"

/* Rows of a table against those that its events, or the table it is derived from, call for; its
 * distinct keys against its rows. */
static bool row_count_passes(double observed, double expected, double limit)
{
	return fabs(observed - expected) <= limit * (expected > 1 ? expected : 1);
}

static double row_count_shown(double expected, double limit)
{
	(void)limit;
	return expected;
}

/* Seconds since the oldest landed event that is not applied, share of nulls or of points set aside,
 * shapes of events that drifted, rows that cannot be or want somebody's eye: not above the limit.
 */
static bool below_limit(double observed, double expected, double limit)
{
	(void)expected;
	return observed <= limit;
}

static double limit_shown(double expected, double limit)
{
	(void)expected;
	return limit;
}

const struct check_kind check_kinds[] = {
	{"row_count_drift", &SQL_dqd_measure_row_count, 0.0, row_count_passes, row_count_shown},
	{"freshness", &SQL_dqd_measure_freshness, 300.0, below_limit, limit_shown},
	{"null_rate", &SQL_dqd_measure_null_rate, 0.0, below_limit, limit_shown},
	{"distinct_count", &SQL_dqd_measure_distinct_count, 0.0, row_count_passes, row_count_shown},
	{"below_zero", &SQL_dqd_measure_below_zero, 0.0, below_limit, limit_shown},
	{"stale_arrivals", &SQL_dqd_measure_stale_arrivals, 0.0, below_limit, limit_shown},
	{"overbooking", &SQL_dqd_measure_overbooking, 0.0, below_limit, limit_shown},
	{"schema_drift", &SQL_dqd_measure_schema_drift, 0.0, below_limit, limit_shown},
	{"quarantine_rate", &SQL_dqd_measure_quarantine, 0.0, below_limit, limit_shown},
};
const size_t check_kind_count = ARRAY_SIZE(check_kinds);

struct check_set {
	struct arena *arena;
	struct check *checks;
	size_t n;
	const char *as_of;
};

static const struct check_kind *kind_find(const char *name)
{
	for (size_t i = 0; i < check_kind_count; i++) {
		if (strcmp(check_kinds[i].name, name) == 0)
			return &check_kinds[i];
	}
	return NULL;
}

static const char *keep(struct arena *a, const char *text)
{
	return text != NULL ? arena_strdup(a, text) : NULL;
}

/* Columns: check_id, tenant_id, table_name, kind, column_name, severity, limit, silent, as_of. */
struct check_set *check_set_new(const struct pgresult *rows)
{
	struct check_set *s = xcalloc(1, sizeof(*s));
	size_t n = pgresult_rows(rows, 0);

	s->arena = arena_new();
	s->checks = xcalloc(n, sizeof(*s->checks));
	s->as_of = n > 0 ? keep(s->arena, pgresult_text(rows, 0, 0, 8)) : NULL;
	for (size_t i = 0; i < n; i++) {
		const struct check_kind *kind = kind_find(pgresult_text(rows, 0, i, 3));
		const char *limit = pgresult_text(rows, 0, i, 6);
		struct check *c = &s->checks[s->n];

		if (kind == NULL)
			continue;
		*c = (struct check){
			.check_id = keep(s->arena, pgresult_text(rows, 0, i, 0)),
			.tenant_id = keep(s->arena, pgresult_text(rows, 0, i, 1)),
			.table_name = keep(s->arena, pgresult_text(rows, 0, i, 2)),
			.column_name = keep(s->arena, pgresult_text(rows, 0, i, 4)),
			.kind = kind,
			.severity = keep(s->arena, pgresult_text(rows, 0, i, 5)),
			.limit = kind->limit,
			.silent = pgresult_bool(rows, 0, i, 7),
		};
		if (limit == NULL || num_double(slice_of(limit), &c->limit) == 0)
			s->n++;
	}
	return s;
}

void check_set_free(struct check_set *s)
{
	if (s == NULL)
		return;
	arena_free(s->arena);
	free(s->checks);
	free(s);
}

const char *check_set_as_of(const struct check_set *s)
{
	return s->as_of;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const struct check *check_find(const struct check_set *s, const struct check_kind *kind,
			       const char *table, const char *column, const char *tenant_id)
{
	const struct check *found = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct check *c = &s->checks[i];

		if (c->kind != kind || !same(c->table_name, table) || !same(c->column_name, column))
			continue;
		if (c->tenant_id != NULL && strcmp(c->tenant_id, tenant_id) == 0)
			return c->silent ? NULL : c;
		if (c->tenant_id == NULL)
			found = c;
	}
	return found == NULL || found->silent ? NULL : found;
}
