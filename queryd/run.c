/* Statements of a request; see run.h. */
#include "queryd/run.h"

#include "common/timestamp.h"
#include "queryd/query.h"
#include "sql_gen.h"

_Static_assert(RUN_STMTS_MAX <= QUERY_STMTS_MAX, "a query of every source");

#define BLOCK_BYTES 8192

/* Order of the statements. */
enum { VERSIONS, PENDING, BLOCKS_BEFORE, FIRST_SOURCE };

/* A text[] literal: '{"a","b"}'. */
static const char *array_literal(struct arena *a, const char *const *values, size_t n)
{
	struct strbuf b = STRBUF_INIT;
	const char *text;

	strbuf_append_char(&b, '{');
	for (size_t i = 0; i < n; i++) {
		strbuf_append_str(&b, i > 0 ? ",\"" : "\"");
		for (const char *p = values[i]; *p != '\0'; p++) {
			if (*p == '"' || *p == '\\')
				strbuf_append_char(&b, '\\');
			strbuf_append_char(&b, *p);
		}
		strbuf_append_char(&b, '"');
	}
	strbuf_append_char(&b, '}');
	text = arena_strdup(a, strbuf_cstr(&b));
	strbuf_clear(&b);
	return text;
}

static const char *date_text(struct arena *a, int32_t day)
{
	char text[TIMESTAMP_TEXT_MAX];

	timestamp_format_date(day, text);
	return arena_strdup(a, text);
}

static const char *list_literal(struct arena *a, const struct value_list *l)
{
	return l->given ? array_literal(a, l->values, l->n) : NULL;
}

/* The first days of the window's periods, null when it is one period. */
static const char *periods_literal(struct arena *a, const struct calendar *c, struct window w)
{
	struct strbuf b = STRBUF_INIT;
	char date[TIMESTAMP_TEXT_MAX];
	const char *text;

	if (c->granularity == GRANULARITY_NONE)
		return NULL;
	for (int32_t day = calendar_floor(c, w.from); day <= w.to; day = calendar_next(c, day)) {
		timestamp_format_date(day, date);
		strbuf_appendf(&b, "%c%s", b.len > 0 ? ',' : '{', date);
	}
	strbuf_append_char(&b, '}');
	text = arena_strdup(a, strbuf_cstr(&b));
	strbuf_clear(&b);
	return text;
}

/* $1 from, $2 to, $3 periods, $4 dimensions, then in and out of each dimension; as of and days are
 * for the sources that take them. */
static const char *const *source_params(const struct request *r, struct window w, struct arena *a)
{
	unsigned wanted = request_group_dimensions(r);
	const char **params = arena_alloc(a, SOURCE_PARAMS_HISTORY * sizeof(*params));
	const char *names[DIM_COUNT];
	size_t n = 0;

	for (int d = 0; d < DIM_COUNT; d++) {
		if ((wanted & DIM_BIT(d)) != 0)
			names[n++] = dimension_name((enum dimension)d);
	}
	params[0] = date_text(a, w.from);
	params[1] = date_text(a, w.to);
	params[2] = periods_literal(a, &r->calendar, w);
	params[3] = array_literal(a, names, n);
	for (int d = 0; d < DIM_FILTERS; d++) {
		if (request_has_share(r) && d == DIM_CHANNEL) /* see cells.c: shown() */
			continue;
		params[4 + 2 * d] = list_literal(a, &r->in[d]);
		params[5 + 2 * d] = list_literal(a, &r->out[d]);
	}
	params[SOURCE_PARAMS] = r->as_of;
	if (r->lag_days > 0)
		params[SOURCE_PARAMS + 1] = arena_printf(a, "%lld", (long long)r->lag_days);
	return params;
}

static void add_table(struct run *run, const char *table)
{
	for (size_t i = 0; i < run->ntables; i++) {
		if (strcmp(run->tables[i], table) == 0)
			return;
	}
	ASSERT(run->ntables + 1 < ARRAY_SIZE(run->tables));
	run->tables[run->ntables++] = table;
}

static void add_stmt(struct run *run, const struct sql_stmt *s, const char *const *params)
{
	ASSERT(run->nstmts < RUN_STMTS_MAX);
	run->stmts[run->nstmts++] = (struct pgstmt){s, params};
}

static void add_sources(struct run *run)
{
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		const struct source *s = &sources[i];

		if (!request_uses_source(run->request, i))
			continue;
		ASSERT(s->stmt->nparams == SOURCE_PARAMS || source_has_history(s));
		run->sources[run->nsources++] = s;
		for (size_t t = 0; s->tables[t] != NULL; t++)
			add_table(run, s->tables[t]);
	}
}

void run_prepare(struct run *run, const struct request *r, struct arena *a)
{
	const char **tables = arena_alloc(a, sizeof(*tables));

	*run = (struct run){.request = r};
	run->nwindows = request_windows(r, run->windows);
	add_sources(run);
	for (size_t w = 0; w < run->nwindows; w++)
		run->params[w] = source_params(r, run->windows[w], a);
	tables[0] = array_literal(a, run->tables, run->ntables);
	add_stmt(run, &SQL_queryd_read_versions, tables);
	add_stmt(run, &SQL_queryd_read_pending, NULL);
	add_stmt(run, &SQL_queryd_read_blocks, NULL);
	for (size_t i = 0; i < run->nsources; i++) {
		for (size_t w = 0; w < run->nwindows; w++)
			add_stmt(run, run->sources[i]->stmt, run->params[w]);
	}
	add_stmt(run, &SQL_queryd_read_blocks, NULL);
}

static bool add_rows(struct cells *c, size_t window, const struct source *s,
		     const struct pgresult *r, size_t i)
{
	const char *row[SOURCE_PART_COLUMN + SOURCE_PARTS_MAX + 1];
	size_t columns = pgresult_columns(r, i);

	ASSERT(columns == SOURCE_PART_COLUMN + (size_t)s->nparts + 1 && columns <= ARRAY_SIZE(row));
	for (size_t n = 0; n < pgresult_rows(r, i); n++) {
		for (size_t k = 0; k < columns; k++)
			row[k] = pgresult_text(r, i, n, k);
		if (cells_add(c, window, s, row) < 0)
			return false;
	}
	return true;
}

struct cells *run_cells(const struct run *run, const struct pgresult *r, size_t max,
			struct arena *a)
{
	struct cells *c = cells_new(run->request, max, a);

	for (size_t i = 0; i < run->nsources * run->nwindows; i++) {
		if (!add_rows(c, i % run->nwindows, run->sources[i / run->nwindows], r,
			      QUERY_RESULT + FIRST_SOURCE + i))
			return NULL;
	}
	cells_finish(c);
	return c;
}

void run_report(const struct run *run, const struct pgresult *r, struct run_report *ret)
{
	const size_t versions = QUERY_RESULT + VERSIONS, pending = QUERY_RESULT + PENDING;
	const size_t before = QUERY_RESULT + BLOCKS_BEFORE;
	const size_t after = QUERY_RESULT + FIRST_SOURCE + run->nsources * run->nwindows;
	int64_t blocks = pgresult_i64(r, after, 0, 0) - pgresult_i64(r, before, 0, 0);

	ASSERT(pgresult_rows(r, versions) == run->ntables);
	*ret = (struct run_report){.now_us = pgresult_i64(r, pending, 0, 0)};
	for (size_t i = 0; i < run->ntables; i++)
		ret->versions[i] = pgresult_i64(r, versions, i, 0);
	if (pgresult_text(r, pending, 0, 1) != NULL)
		ret->oldest_us = pgresult_i64(r, pending, 0, 1);
	ret->bytes = blocks > 0 ? blocks * BLOCK_BYTES : 0; /* negative: statistics sent between */
}
