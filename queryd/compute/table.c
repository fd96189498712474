/* Ordering, paging and writing rows; see table.h. */
#include "queryd/compute/table.h"

#include "common/base/timestamp.h"
#include "queryd/compute/cursor.h"

#define POSITION_MAX 8192

/* What a row is ordered by. */
struct key {
	struct value terms[REQUEST_ORDER_MAX]; /* of metrics */
	int32_t date;
	const char *dimension[DIM_COUNT];
};

struct row {
	size_t group, period;
	struct key key;
};

struct table {
	const struct cells *cells;
	const struct request *request;
	struct row *rows; /* in order */
	size_t from, to;  /* of the page */
	size_t nwindows;
	bool dated;
	const char *next;
};

/* ---- the order */

static int sign(bool more, bool less)
{
	return (int)more - (int)less;
}

static int compare_values(const struct value *x, const struct value *y)
{
	if (x->kind == VALUE_INTEGER && y->kind == VALUE_INTEGER)
		return sign(x->integer > y->integer, x->integer < y->integer);
	return sign(x->real > y->real, x->real < y->real);
}

static int compare_texts(const char *x, const char *y)
{
	return x != NULL && y != NULL ? strcmp(x, y) : 0;
}

/* Nulls come last, whatever the direction. */
static int compare_term(const struct order_term *t, size_t i, const struct key *x,
			const struct key *y)
{
	bool no_x = false, no_y = false;
	int r = 0;

	switch (t->kind) {
	case ORDER_DATE:
		r = sign(x->date > y->date, x->date < y->date);
		break;
	case ORDER_DIMENSION:
		no_x = x->dimension[t->index] == NULL;
		no_y = y->dimension[t->index] == NULL;
		r = compare_texts(x->dimension[t->index], y->dimension[t->index]);
		break;
	case ORDER_METRIC:
		no_x = x->terms[i].kind == VALUE_NULL;
		no_y = y->terms[i].kind == VALUE_NULL;
		r = compare_values(&x->terms[i], &y->terms[i]);
		break;
	}
	if (no_x || no_y)
		return (int)no_x - (int)no_y;
	return t->descending ? -r : r;
}

/* By the request's terms, then by date and dimensions: no two rows are equal. */
static int compare_keys(const struct request *r, const struct key *x, const struct key *y)
{
	const struct order_term date = {.kind = ORDER_DATE};
	int c = 0;

	for (size_t i = 0; i < r->norder && c == 0; i++)
		c = compare_term(&r->order[i], i, x, y);
	if (c == 0)
		c = compare_term(&date, 0, x, y);
	for (size_t d = 0; d < DIM_COUNT && c == 0; d++)
		c = compare_term(&(struct order_term){.kind = ORDER_DIMENSION, .index = d}, 0, x,
				 y);
	return c;
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct row *x = a, *y = b;
	const struct table *t = arg;

	return compare_keys(t->request, &x->key, &y->key);
}

static void make_rows(struct table *t, struct arena *a)
{
	const struct cells *c = t->cells;
	const struct request *r = t->request;
	size_t groups = cells_groups(c), n = 0;

	t->rows = arena_alloc(a, groups * cells_periods(c) * sizeof(*t->rows));
	for (size_t p = 0; p < cells_periods(c); p++) {
		for (size_t g = 0; g < groups; g++) {
			struct row *row = &t->rows[n++];

			*row = (struct row){.group = g, .period = p};
			row->key.date = t->dated ? cells_period(c, p) : 0;
			for (int d = 0; d < DIM_COUNT; d++)
				row->key.dimension[d] = cells_dimension(c, g, (enum dimension)d);
			for (size_t i = 0; i < r->norder; i++) {
				size_t m = r->order[i].index;

				if (r->order[i].kind == ORDER_METRIC)
					row->key.terms[i] = value_of(
						r->metrics[m],
						cells_sums(c, WINDOW_ASKED, g, p, m));
			}
		}
	}
	t->to = n;
	if (r->norder > 0) /* else they are in order */
		qsort_r(t->rows, n, sizeof(*t->rows), compare_rows, t);
}

/* ---- pages: a position is the key of a row, a JSON array of texts and nulls */

static void write_integer(struct json_writer *w, i128 v, bool quoted)
{
	struct strbuf text = STRBUF_INIT;

	if (quoted)
		strbuf_append_char(&text, '"');
	i128_append(&text, v);
	if (quoted)
		strbuf_append_char(&text, '"');
	jw_raw(w, strbuf_slice(&text));
	strbuf_clear(&text);
}

static void write_position(const struct table *t, const struct key *k, struct strbuf *out)
{
	struct json_writer w;
	char real[40];

	jw_init(&w, out);
	jw_array(&w);
	for (size_t i = 0; i < t->request->norder; i++) {
		if (k->terms[i].kind == VALUE_INTEGER) {
			write_integer(&w, k->terms[i].integer, true);
		} else {
			(void)snprintf(real, sizeof(real), "%a", k->terms[i].real);
			jw_str(&w, k->terms[i].kind == VALUE_REAL ? real : NULL);
		}
	}
	jw_i64(&w, k->date);
	for (int d = 0; d < DIM_COUNT; d++)
		jw_str(&w, k->dimension[d]);
	jw_end(&w);
}

/* The text was sealed by us, for the same request: it has this form. */
static void read_position(const struct table *t, const struct json *list, struct arena *a,
			  struct key *ret)
{
	const struct request *r = t->request;
	int64_t date = 0;

	for (size_t i = 0; i < r->norder; i++) {
		const char *text = json_string_or_null(json_at(list, i));
		struct value *v = &ret->terms[i];

		if (text == NULL)
			v->kind = VALUE_NULL;
		else if (i128_parse(text, &v->integer) == 0)
			v->kind = VALUE_INTEGER;
		else
			*v = (struct value){.kind = VALUE_REAL, .real = strtod(text, NULL)};
	}
	if (json_i64(json_at(list, r->norder), "date", INT32_MIN, INT32_MAX, &date, NULL) == 0)
		ret->date = (int32_t)date;
	for (size_t d = 0; d < DIM_COUNT; d++) {
		const char *text = json_string_or_null(json_at(list, r->norder + 1 + d));

		ret->dimension[d] = text != NULL ? arena_strdup(a, text) : NULL;
	}
}

static bool go_on_after(struct table *t, struct slice position, struct arena *a)
{
	struct json *list = NULL;
	struct key last = {.date = 0};
	size_t low = 0, high = t->to;

	if (json_parse(position, POSITION_MAX, &list, NULL) < 0)
		return false;
	read_position(t, list, a, &last);
	json_free(list);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_keys(t->request, &t->rows[middle].key, &last) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	t->from = low;
	return true;
}

struct table *table_new(const struct cells *c, const char *context, struct slice key,
			struct arena *a)
{
	const struct request *r = cells_request(c);
	struct table *t = arena_alloc(a, sizeof(*t));
	struct strbuf position = STRBUF_INIT;
	struct slice opened;

	*t = (struct table){.cells = c,
			    .request = r,
			    .nwindows = r->comparison != COMPARE_NONE ? 2 : 1,
			    .dated = r->calendar.granularity != GRANULARITY_NONE};
	make_rows(t, a);
	if (r->cursor != NULL &&
	    (cursor_open(key, context, r->cursor, a, &opened) < 0 || !go_on_after(t, opened, a)))
		return NULL;
	if (r->limit > 0 && t->to - t->from > (size_t)r->limit) {
		t->to = t->from + (size_t)r->limit;
		write_position(t, &t->rows[t->to - 1].key, &position);
		t->next = cursor_seal(key, context, strbuf_slice(&position), a);
		strbuf_clear(&position);
	}
	return t;
}

const char *table_next_cursor(const struct table *t)
{
	return t->next;
}

/* ---- writing */

static const char *const value_types[UNIT_KIND_COUNT] = {
	[UNIT_COUNT] = "integer",
	[UNIT_PERCENT] = "number",
	[UNIT_CURRENCY] = "micro",
	[UNIT_RATIO] = "number",
};

static void write_name(struct json_writer *w, const char *key, const char *suffix)
{
	struct strbuf name = STRBUF_INIT;

	strbuf_append_str(&name, key);
	strbuf_append_str(&name, suffix);
	jw_key(w, strbuf_cstr(&name));
	strbuf_clear(&name);
}

static void write_column(struct json_writer *w, const char *name, const char *suffix,
			 const char *type, const char *unit)
{
	struct strbuf whole = STRBUF_INIT;

	strbuf_append_str(&whole, name);
	strbuf_append_str(&whole, suffix);
	jw_object(w);
	jw_key(w, "name");
	jw_str(w, strbuf_cstr(&whole));
	jw_key(w, "type");
	jw_str(w, type);
	if (unit != NULL) {
		jw_key(w, "unit");
		jw_str(w, unit);
	}
	jw_end(w);
	strbuf_clear(&whole);
}

void table_write_columns(const struct table *t, struct json_writer *w)
{
	jw_array(w);
	if (t->dated)
		write_column(w, "date", "", "date", NULL);
	for (int d = 0; d < DIM_COUNT; d++) {
		if ((cells_dimensions(t->cells) & DIM_BIT(d)) != 0)
			write_column(w, dimension_name((enum dimension)d), "", "string", NULL);
	}
	for (size_t i = 0; i < t->request->nmetrics; i++) {
		const struct metric_def *m = t->request->metrics[i];

		write_column(w, m->key, "", value_types[m->unit], unit_name(m->unit));
		if (t->nwindows == 1)
			continue;
		write_column(w, m->key, TABLE_SUFFIX_PREVIOUS, value_types[m->unit],
			     unit_name(m->unit));
		write_column(w, m->key, TABLE_SUFFIX_CHANGE, "number", unit_name(UNIT_RATIO));
	}
	jw_end(w);
}

static void write_value(struct json_writer *w, const struct metric_def *m, const struct value *v)
{
	if (v->kind == VALUE_NULL)
		jw_null(w);
	else if (v->kind == VALUE_INTEGER)
		write_integer(w, v->integer, m->unit == UNIT_CURRENCY);
	else
		jw_double(w, v->real);
}

static double real_of(const struct value *v)
{
	return v->kind == VALUE_INTEGER ? (double)v->integer : v->real;
}

/* The metric's members of a row; compared NULL: there is one window. */
static void write_metric(const struct table *t, struct json_writer *w, size_t metric,
			 const struct sums *asked, const struct sums *compared)
{
	const struct metric_def *m = t->request->metrics[metric];
	struct value now = value_of(m, asked), before;

	jw_key(w, m->key);
	write_value(w, m, &now);
	if (compared == NULL)
		return;
	before = value_of(m, compared);
	write_name(w, m->key, TABLE_SUFFIX_PREVIOUS);
	write_value(w, m, &before);
	write_name(w, m->key, TABLE_SUFFIX_CHANGE);
	if (now.kind == VALUE_NULL || before.kind == VALUE_NULL || real_of(&before) == 0)
		jw_null(w);
	else
		jw_double(w, (real_of(&now) - real_of(&before)) / real_of(&before));
}

static void write_dimensions(const struct table *t, struct json_writer *w, const struct row *row)
{
	char date[TIMESTAMP_TEXT_MAX];

	if (t->dated) {
		timestamp_format_date(row->key.date, date);
		jw_key(w, "date");
		jw_str(w, date);
	}
	for (int d = 0; d < DIM_COUNT; d++) {
		if ((cells_dimensions(t->cells) & DIM_BIT(d)) != 0) {
			jw_key(w, dimension_name((enum dimension)d));
			jw_str(w, row->key.dimension[d]);
		}
	}
}

void table_write_rows(const struct table *t, struct json_writer *w)
{
	jw_array(w);
	for (size_t i = t->from; i < t->to; i++) {
		const struct row *row = &t->rows[i];

		jw_object(w);
		write_dimensions(t, w, row);
		for (size_t m = 0; m < t->request->nmetrics; m++) {
			write_metric(t, w, m,
				     cells_sums(t->cells, WINDOW_ASKED, row->group, row->period, m),
				     t->nwindows == 1 ? NULL
						      : cells_sums(t->cells, WINDOW_COMPARED,
								   row->group, row->period, m));
		}
		jw_end(w);
	}
	jw_end(w);
}

size_t table_rows(const struct table *t)
{
	return t->to - t->from;
}

void table_write_parts(const struct table *t, struct json_writer *w)
{
	const struct metric_def *m = t->request->metrics[0];

	jw_array(w);
	for (size_t i = t->from; i < t->to; i++) {
		const struct row *row = &t->rows[i];
		const struct sums *s = cells_sums(t->cells, WINDOW_ASKED, row->group, row->period,
						  0);

		jw_object(w);
		write_dimensions(t, w, row);
		jw_key(w, "numerator");
		write_integer(w, s->numerator, true);
		jw_key(w, "denominator");
		if (m->denominator != NULL || m->share)
			write_integer(w, s->denominator, true);
		else
			jw_null(w);
		jw_end(w);
	}
	jw_end(w);
}

/* Null over several currencies: their sum would mean nothing. */
void table_write_totals(const struct table *t, struct json_writer *w)
{
	struct sums total[REQUEST_METRICS_MAX][WINDOWS_MAX];

	for (size_t m = 0; m < t->request->nmetrics; m++) {
		for (size_t n = 0; n < t->nwindows; n++) {
			if (!cells_total(t->cells, n, m, &total[m][n])) {
				jw_null(w);
				return;
			}
		}
	}
	jw_object(w);
	if ((cells_dimensions(t->cells) & DIM_BIT(DIM_CURRENCY)) != 0) {
		jw_key(w, dimension_name(DIM_CURRENCY));
		jw_str(w, cells_currency(t->cells));
	}
	for (size_t m = 0; m < t->request->nmetrics; m++) {
		write_metric(t, w, m, &total[m][WINDOW_ASKED],
			     t->nwindows == 1 ? NULL : &total[m][WINDOW_COMPARED]);
	}
	jw_end(w);
}
