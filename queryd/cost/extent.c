/* Known extents, a slot for each hash of a tenant; see extent.h. */
#include "queryd/cost/extent.h"

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "queryd/tenant/query.h"
#include "sql_gen.h"

#define READING_MAGIC OBJ_MAGIC('x')
#define SLOTS         1024 /* a tenant takes the place of another with the same hash */
#define KNOWN_MS      60000

/* The calendar is the same for all: 64 days of it count as a row (tenant_views.rows_read). */
#define CALENDAR        "dim_calendar"
#define CALENDAR_FROM   14610 /* 2010-01-01 */
#define CALENDAR_TO     25932 /* 2040-12-31 */
#define CALENDAR_IN_ROW 64.0

struct extent {
	size_t n;
	struct extent_span spans[];
};

struct slot {
	char *tenant_id;
	int64_t known_ms;
	struct extent *extent;
};

struct extents {
	struct slot slots[SLOTS];
};

struct reading {
	unsigned magic;
	struct extents *extents;
	char *tenant_id;
	struct pgstmt stmt;
	extent_fn fn;
	void *arg;
};

static size_t slot_of(const char *tenant_id)
{
	return hash_fast(slice_of(tenant_id)) % SLOTS;
}

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

void extent_free(struct extent *e)
{
	free(e);
}

static struct extent *read_extent(const struct pgresult *r)
{
	struct extent *e = new_extent(pgresult_rows(r, QUERY_RESULT));

	for (size_t i = 0; i < e->n; i++) {
		struct slice table = pgresult_slice(r, QUERY_RESULT, i, 0);
		struct extent_span *s = &e->spans[i];

		ASSERT(table.len < sizeof(s->table));
		memcpy(s->table, table.ptr, table.len);
		s->first = (int32_t)pgresult_i64(r, QUERY_RESULT, i, 1);
		s->last = (int32_t)pgresult_i64(r, QUERY_RESULT, i, 2);
		s->rows = pgresult_i64(r, QUERY_RESULT, i, 3);
	}
	return e;
}

static void on_read(void *arg, const struct pgresult *r, const struct err *err)
{
	struct reading *d = arg;
	struct extent *e = NULL;
	struct slot *s;

	OBJ_CHECK(d, READING_MAGIC);
	if (err == NULL) {
		e = read_extent(r);
		s = &d->extents->slots[slot_of(d->tenant_id)];
		free(s->tenant_id);
		extent_free(s->extent);
		*s = (struct slot){xstrdup(d->tenant_id), clock_mono_ms(), e};
	}
	d->fn(d->arg, e, err);
	free(d->tenant_id);
	d->magic = 0;
	free(d);
}

const struct extent *extents_known(const struct extents *x, const char *tenant_id)
{
	const struct slot *s = &x->slots[slot_of(tenant_id)];
	bool known = s->tenant_id != NULL && strcmp(s->tenant_id, tenant_id) == 0 &&
		     clock_mono_ms() - s->known_ms < KNOWN_MS;

	return known ? s->extent : NULL;
}

struct query *extents_read(struct extents *x, struct tenant *n, const char *tenant_id, extent_fn fn,
			   void *arg)
{
	struct reading *d = xcalloc(1, sizeof(*d));

	*d = (struct reading){.magic = READING_MAGIC,
			      .extents = x,
			      .tenant_id = xstrdup(tenant_id),
			      .stmt = {&SQL_queryd_read_extents, NULL},
			      .fn = fn,
			      .arg = arg};
	/* of the whole tenant, whatever the user sees of it: so much is read before that is looked
	 * at */
	return tenant_query(n, "all", &d->stmt, 1, on_read, d);
}

/* ---- rows */

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
	for (size_t i = 0; i < e->n; i++) {
		const struct extent_span *s = &e->spans[i];

		if (strcmp(s->table, table) == 0)
			rows += (double)s->rows * days_of(from, to, s->first, s->last) /
				days_of(s->first, s->last, s->first, s->last);
	}
	return rows;
}

struct extents *extents_new(void)
{
	return xcalloc(1, sizeof(struct extents));
}

void extents_free(struct extents *x)
{
	for (size_t i = 0; x != NULL && i < SLOTS; i++) {
		free(x->slots[i].tenant_id);
		extent_free(x->slots[i].extent);
	}
	free(x);
}
