/* Statements of a request; see run.h. */
#include "queryd/compute/run.h"

#include <errno.h>

#include "common/base/num.h"
#include "common/base/timestamp.h"
#include "queryd/compute/rates.h"
#include "queryd/tenant/query.h"
#include "queryd/tenant/state.h"
#include "sql_gen.h"

_Static_assert(RUN_STMTS_MAX <= QUERY_STMTS_MAX, "a query of every source");

#define RATES_TABLE     "dim_fx"
#define NUMBER_TEXT_MAX 48

/* Order of the statements. */
enum { STATE, ROWS_BEFORE, FIRST_SOURCE };

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
static const char *const *source_params(const struct request *r, const struct calendar *calendar,
					struct window w, struct arena *a)
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
	params[2] = periods_literal(a, calendar, w);
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
		ASSERT(s->stmt->nparams >= SOURCE_PARAMS &&
		       s->stmt->nparams <= SOURCE_PARAMS_HISTORY);
		run->sources[run->nsources++] = s;
		for (size_t t = 0; s->tables[t] != NULL; t++)
			add_table(run, s->tables[t]);
	}
}

/* For all windows: the compared one comes first. */
static void add_rates(struct run *run, struct arena *a)
{
	const char **params = arena_alloc(a, 3 * sizeof(*params));

	params[0] = run->request->currency;
	params[1] = date_text(a, run->windows[run->nwindows - 1].from);
	params[2] = date_text(a, run->windows[WINDOW_ASKED].to);
	add_stmt(run, &SQL_queryd_read_rates, params);
}

void run_prepare(struct run *run, const struct request *r, struct arena *a)
{
	*run = (struct run){.request = r, .arena = a};
	run->nwindows = request_windows(r, run->windows);
	add_sources(run);
	if (r->currency != NULL)
		add_table(run, RATES_TABLE);
}

void run_statements(struct run *run)
{
	const struct calendar daily = {.granularity = GRANULARITY_DAY};
	const struct request *r = run->request;
	struct arena *a = run->arena;
	const char **tables = arena_alloc(a, sizeof(*tables));

	ASSERT(run->nstmts == 0);
	for (size_t w = 0; w < run->nwindows; w++) {
		run->params[w] = source_params(r, &r->calendar, run->windows[w], a);
		if (r->currency != NULL)
			run->daily[w] = source_params(r, &daily, run->windows[w], a);
	}
	add_stmt(run, &SQL_queryd_read_state, NULL);
	add_stmt(run, &SQL_queryd_open_sources, tables);
	if (r->currency != NULL)
		add_rates(run, a);
	tables[0] = array_literal(a, run->tables, run->ntables);
	for (size_t i = 0; i < run->nsources; i++) {
		const struct source *s = run->sources[i];

		for (size_t w = 0; w < run->nwindows; w++)
			add_stmt(run, s->stmt,
				 request_converts(r, s) ? run->daily[w] : run->params[w]);
	}
	add_stmt(run, &SQL_queryd_count_rows_read, tables);
}

/* ---- results */

static size_t first_source(const struct run *run)
{
	return QUERY_RESULT + FIRST_SOURCE + (run->request->currency != NULL);
}

/* There is room: READS_MAX is more than all sources, windows and years together. */
static void read_days(struct reads *r, const char *table, int32_t from, int32_t to)
{
	struct read *add = reads_add(r, table, 0);

	ASSERT(add != NULL);
	add->from = from;
	add->to = to;
}

void run_reads(const struct run *run, struct reads *ret)
{
	ret->nscopes = 0;
	ret->n = 0;
	(void)reads_scope(ret, READS_ONCE);
	for (size_t i = 0; i < run->nsources * run->nwindows; i++) {
		const struct source *s = run->sources[i / run->nwindows];
		struct window w = run->windows[i % run->nwindows];

		if (s->reach == REACH_ALL)
			read_days(ret, s->tables[0], EXTENT_FIRST_DAY, EXTENT_LAST_DAY);
		else
			read_days(ret, s->tables[0], w.from, w.to);
		if (s->reach == REACH_YEARS)
			read_days(ret, s->tables[0], w.from - 364, w.to - 364);
		if (s->tables[1] != NULL)
			read_days(ret, s->tables[1], EXTENT_FIRST_DAY, EXTENT_LAST_DAY);
	}
	if (run->request->currency != NULL)
		read_days(ret, RATES_TABLE, EXTENT_FIRST_DAY, run->windows[WINDOW_ASKED].to);
}

/* One result of a source on its way into the cells. */
struct feed {
	const struct run *run;
	const struct rates *rates; /* NULL: amounts keep their currency */
	const struct source *source;
	size_t window;
	const int32_t *periods[WINDOWS_MAX]; /* by day of the window; with rates */
	struct strbuf text;                  /* of converted numbers */
};

/* The number of the period of each day of the window. */
static const int32_t *number_days(const struct run *run, struct window w, struct arena *a)
{
	const struct calendar *c = &run->request->calendar;
	int32_t *numbers = arena_alloc(a, (size_t)(w.to - w.from + 1) * sizeof(*numbers));
	int32_t next = calendar_next(c, calendar_floor(c, w.from)), n = 1;

	for (int32_t day = w.from; day <= w.to; day++) {
		if (day == next) {
			next = calendar_next(c, day);
			n++;
		}
		numbers[day - w.from] = n;
	}
	return numbers;
}

/* Appends and ends with a NUL; valid until the row is added, since the room is reserved. */
static const char *kept_number(struct feed *f, i128 v)
{
	size_t at = f->text.len;

	i128_append(&f->text, v);
	strbuf_append_char(&f->text, '\0');
	return f->text.ptr + at;
}

/* Makes a row of one day the row of its period, its amounts those of the currency asked for. */
static int convert_day(struct feed *f, const char **row, struct err *e)
{
	int64_t number = 0;
	int32_t day;

	ASSERT(row[0] != NULL && num_i64(slice_of(row[0]), 1, REQUEST_DAYS_MAX + 1, &number) == 0);
	day = f->run->windows[f->window].from + (int32_t)number - 1;
	for (size_t i = 0; part_at(i) != NULL; i++) {
		const struct part *p = part_at(i);
		const char **at = &row[SOURCE_PART_COLUMN + p->column];
		i128 amount;

		if (p->source != f->source || !p->money)
			continue;
		ASSERT(*at != NULL && i128_parse(*at, &amount) == 0);
		if (rates_convert(f->rates, row[1 + DIM_CURRENCY], day, amount, &amount, e) < 0)
			return -ENOENT;
		*at = kept_number(f, amount);
	}
	if (f->run->request->calendar.granularity != GRANULARITY_NONE)
		row[0] = kept_number(f, f->periods[f->window][number - 1]);
	return 0;
}

static int add_row(struct feed *f, struct cells *c, const char **row, struct err *e)
{
	strbuf_reset(&f->text);
	strbuf_reserve(&f->text, (SOURCE_PARTS_MAX + 1) * NUMBER_TEXT_MAX);
	if (f->rates != NULL) {
		if (request_converts(f->run->request, f->source) && convert_day(f, row, e) < 0)
			return -ENOENT;
		row[1 + DIM_CURRENCY] = f->run->request->currency;
	}
	if (cells_add(c, f->window, f->source, row) < 0)
		return err_set(e, -E2BIG,
			       "The result would be too large: ask for fewer groups or periods.");
	return 0;
}

static int add_rows(struct feed *f, struct cells *c, const struct pgresult *r, size_t i,
		    struct err *e)
{
	const char *row[SOURCE_PART_COLUMN + SOURCE_PARTS_MAX + 1] = {NULL};
	size_t columns = pgresult_columns(r, i);
	int result = 0;

	ASSERT(columns == SOURCE_PART_COLUMN + (size_t)f->source->nparts + 1 &&
	       columns <= ARRAY_SIZE(row));
	for (size_t n = 0; n < pgresult_rows(r, i) && result == 0; n++) {
		for (size_t k = 0; k < columns; k++)
			row[k] = pgresult_text(r, i, n, k);
		result = add_row(f, c, row, e);
	}
	return result;
}

int run_cells(const struct run *run, const struct pgresult *r, size_t max, struct arena *a,
	      struct cells **ret, struct err *e)
{
	struct cells *c = cells_new(run->request, max, a);
	struct feed f = {.run = run, .text = STRBUF_INIT};
	int result = 0;

	if (run->request->currency != NULL)
		f.rates = rates_new(r, QUERY_RESULT + FIRST_SOURCE, run->request->currency, a);
	for (size_t w = 0; f.rates != NULL && w < run->nwindows; w++)
		f.periods[w] = number_days(run, run->windows[w], a);
	for (size_t i = 0; i < run->nsources * run->nwindows && result == 0; i++) {
		f.source = run->sources[i / run->nwindows];
		f.window = i % run->nwindows;
		result = add_rows(&f, c, r, first_source(run) + i, e);
	}
	strbuf_clear(&f.text);
	if (result < 0)
		return result;
	cells_finish(c);
	*ret = c;
	return 0;
}

void run_report(const struct run *run, const struct pgresult *r, struct run_report *ret)
{
	const size_t state = QUERY_RESULT + STATE, before = QUERY_RESULT + ROWS_BEFORE;
	const size_t after = first_source(run) + run->nsources * run->nwindows;
	int64_t rows = pgresult_i64(r, after, 0, 0) - pgresult_i64(r, before, 0, 0);

	*ret = (struct run_report){.now_us = state_now_us(r, state),
				   .oldest_us = state_oldest_us(r, state)};
	for (size_t i = 0; i < run->ntables; i++)
		ret->versions[i] = state_version(r, state, run->tables[i]);
	ret->bytes = rows > 0 ? rows * READS_ROW_BYTES : 0; /* negative: statistics sent between */
}
