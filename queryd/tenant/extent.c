/* How much a tenant has; see extent.h. */
#include "queryd/tenant/extent.h"

#include "common/base/xalloc.h"

/* The calendar is the same for all: 64 days of it count as a row (tenant_views.rows_read). */
#define CALENDAR        "dim_calendar"
#define CALENDAR_FROM   14610 /* 2010-01-01 */
#define CALENDAR_TO     25932 /* 2040-12-31 */
#define CALENDAR_IN_ROW 64.0

struct extent {
	size_t n;
	struct extent_span spans[];
};

static struct extent *new_extent(size_t n)
{
	struct extent *e = xcalloc(1, sizeof(*e) + n * sizeof(e->spans[0]));

	e->n = n;
	return e;
}

struct extent *extent_new(const struct extent_span *spans, size_t n)
{
	struct extent *e = new_extent(n);

	memcpy(e->spans, spans, n * sizeof(spans[0]));
	return e;
}

struct extent *extent_read(const struct pgresult *r, size_t result)
{
	struct extent *e = new_extent(pgresult_rows(r, result));

	for (size_t i = 0; i < e->n; i++) {
		struct slice table = pgresult_slice(r, result, i, 0);
		struct extent_span *s = &e->spans[i];

		ASSERT(table.len < sizeof(s->table));
		memcpy(s->table, table.ptr, table.len);
		s->first = (int32_t)pgresult_i64(r, result, i, 1);
		s->last = (int32_t)pgresult_i64(r, result, i, 2);
		s->rows = pgresult_i64(r, result, i, 3);
	}
	return e;
}

void extent_free(struct extent *e)
{
	free(e);
}

static double days_of(int32_t from, int32_t to, int32_t first, int32_t last)
{
	double a = from > first ? from : first, b = to < last ? to : last;

	return b < a ? 0 : b - a + 1;
}

double extent_rows(const struct extent *e, const char *table, int32_t from, int32_t to)
{
	double rows = 0;

	if (strcmp(table, CALENDAR) == 0)
		return days_of(from, to, CALENDAR_FROM, CALENDAR_TO) / CALENDAR_IN_ROW;
	for (size_t i = 0; e != NULL && i < e->n; i++) {
		const struct extent_span *s = &e->spans[i];

		if (strcmp(s->table, table) == 0)
			rows += (double)s->rows * days_of(from, to, s->first, s->last) /
				days_of(s->first, s->last, s->first, s->last);
	}
	return rows;
}
