/*
 * Kinds of widgets; see widget_kind.h.
 *
 *	kpi_tile	values		{values: [{metric, unit, value, currency?, previous?,
 *change?}]}
 *	time_series	a line each	{series: [{metric, unit, group, points: [{date, value,
 *…}]}]} breakdown	bars		{dimensions, items: [{group, values: [{metric, …}]}]} funnel
 *stages		{stages: [{metric, value, ofFirst, ofPrevious}]} heatmap		two
 *axes	{metric, unit, x, y: {name, values}, cells: [{x, y, value}]}
 */
#include "queryd/document/widget_kind.h"

#include "queryd/compute/table.h"

/* Columns of a result, by what they are. */
struct layout {
	const struct json *rows;
	bool dated;
	const char *dimensions[DIM_COUNT]; /* not currency */
	size_t ndimensions;
	bool currency;
	const char *metrics[REQUEST_METRICS_MAX], *units[REQUEST_METRICS_MAX];
	size_t nmetrics;
};

struct widget_kind {
	const char *name;
	size_t metrics_min, metrics_max;
	unsigned dimensions_min, dimensions_max;
	bool dated;   /* the period is one of its dimensions */
	bool periods; /* a granularity is required; else, unless `dated`, forbidden */
	bool counts;  /* its metrics are counts */
	void (*write)(const struct layout *l, struct json_writer *w);
};

/* ---- reading a result */

static bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

static void read_layout(const struct json *result, struct layout *l)
{
	const struct json *columns = json_get(result, "columns");

	*l = (struct layout){.rows = json_get(result, "rows")};
	for (size_t i = 0; i < json_len(columns); i++) {
		const struct json *column = json_at(columns, i);
		const char *name = json_string_or_null(json_get(column, "name"));
		const char *unit = json_string_or_null(json_get(column, "unit"));

		if (unit != NULL && !ends_with(name, TABLE_SUFFIX_PREVIOUS) &&
		    !ends_with(name, TABLE_SUFFIX_CHANGE) && l->nmetrics < REQUEST_METRICS_MAX) {
			l->metrics[l->nmetrics] = name;
			l->units[l->nmetrics++] = unit;
		} else if (unit == NULL && strcmp(name, "date") == 0) {
			l->dated = true;
		} else if (unit == NULL && strcmp(name, "currency") == 0) {
			l->currency = true;
		} else if (unit == NULL && l->ndimensions < DIM_COUNT) {
			l->dimensions[l->ndimensions++] = name;
		}
	}
}

static void write_json(struct json_writer *w, const char *key, const struct json *v)
{
	struct strbuf text = STRBUF_INIT;

	jw_key(w, key);
	if (v == NULL) {
		jw_null(w);
		return;
	}
	json_write(v, &text);
	jw_raw(w, strbuf_slice(&text));
	strbuf_clear(&text);
}

static void write_text(struct json_writer *w, const char *key, const char *text)
{
	jw_key(w, key);
	jw_str(w, text);
}

/* Members value, currency, previous and change of an open object, those that there are. */
static void write_value(const struct layout *l, const struct json *row, size_t metric,
			struct json_writer *w)
{
	static const struct {
		const char *suffix, *member;
	} compared[] = {{TABLE_SUFFIX_PREVIOUS, "previous"}, {TABLE_SUFFIX_CHANGE, "change"}};

	write_json(w, "value", json_get(row, l->metrics[metric]));
	if (l->currency && strcmp(l->units[metric], "currency") == 0)
		write_json(w, "currency", json_get(row, "currency"));
	for (size_t i = 0; i < ARRAY_SIZE(compared); i++) {
		char name[256];
		const struct json *v;

		(void)snprintf(name, sizeof(name), "%s%s", l->metrics[metric], compared[i].suffix);
		v = json_get(row, name);
		if (v != NULL)
			write_json(w, compared[i].member, v);
	}
}

static void write_metric(const struct layout *l, size_t metric, struct json_writer *w)
{
	write_text(w, "metric", l->metrics[metric]);
	write_text(w, "unit", l->units[metric]);
}

static void write_group(const struct layout *l, const struct json *row, struct json_writer *w)
{
	jw_key(w, "group");
	jw_object(w);
	for (size_t d = 0; d < l->ndimensions; d++)
		write_json(w, l->dimensions[d], json_get(row, l->dimensions[d]));
	jw_end(w);
}

/* ---- the kinds */

static void write_values(const struct layout *l, struct json_writer *w)
{
	jw_key(w, "values");
	jw_array(w);
	for (size_t m = 0; m < l->nmetrics; m++) {
		for (size_t i = 0; i < json_len(l->rows); i++) {
			jw_object(w);
			write_metric(l, m, w);
			write_value(l, json_at(l->rows, i), m, w);
			jw_end(w);
		}
	}
	jw_end(w);
}

static bool same(const struct json *a, const struct json *b)
{
	const char *s = json_string_or_null(a), *t = json_string_or_null(b);

	return s == NULL || t == NULL ? s == t : strcmp(s, t) == 0;
}

static bool same_group(const struct layout *l, const struct json *a, const struct json *b)
{
	bool equal = !l->currency || same(json_get(a, "currency"), json_get(b, "currency"));

	for (size_t d = 0; d < l->ndimensions && equal; d++)
		equal = same(json_get(a, l->dimensions[d]), json_get(b, l->dimensions[d]));
	return equal;
}

/* The first row of each group: those whose group was not in a row before. The dense rows of a time
 * series repeat every group in every period, so the first period's rows are all groups. */
static size_t count_groups(const struct layout *l)
{
	const struct json *first = json_at(l->rows, 0);
	size_t n = 0;

	while (n < json_len(l->rows) &&
	       same(json_get(json_at(l->rows, n), "date"), json_get(first, "date")))
		n++;
	return n;
}

static void write_series(const struct layout *l, struct json_writer *w)
{
	size_t groups = count_groups(l);

	jw_key(w, "series");
	jw_array(w);
	for (size_t m = 0; m < l->nmetrics; m++) {
		for (size_t g = 0; g < groups; g++) {
			const struct json *head = json_at(l->rows, g);

			jw_object(w);
			write_metric(l, m, w);
			if (l->currency && strcmp(l->units[m], "currency") == 0)
				write_json(w, "currency", json_get(head, "currency"));
			write_group(l, head, w);
			jw_key(w, "points");
			jw_array(w);
			for (size_t i = 0; i < json_len(l->rows); i++) {
				const struct json *row = json_at(l->rows, i);

				if (!same_group(l, head, row))
					continue;
				jw_object(w);
				write_json(w, "date", json_get(row, "date"));
				write_value(l, row, m, w);
				jw_end(w);
			}
			jw_end(w);
			jw_end(w);
		}
	}
	jw_end(w);
}

static void write_items(const struct layout *l, struct json_writer *w)
{
	jw_key(w, "dimensions");
	jw_array(w);
	for (size_t d = 0; d < l->ndimensions; d++)
		jw_str(w, l->dimensions[d]);
	jw_end(w);
	jw_key(w, "items");
	jw_array(w);
	for (size_t i = 0; i < json_len(l->rows); i++) {
		const struct json *row = json_at(l->rows, i);

		jw_object(w);
		write_group(l, row, w);
		jw_key(w, "values");
		jw_array(w);
		for (size_t m = 0; m < l->nmetrics; m++) {
			jw_object(w);
			write_metric(l, m, w);
			write_value(l, row, m, w);
			jw_end(w);
		}
		jw_end(w);
		jw_end(w);
	}
	jw_end(w);
}

static int64_t count_of(const struct layout *l, size_t metric)
{
	int64_t n;

	return json_i64(json_get(json_at(l->rows, 0), l->metrics[metric]), "", INT64_MIN / 1024,
			INT64_MAX / 1024, &n, NULL) == 0
		       ? n
		       : 0;
}

static void write_share(struct json_writer *w, const char *key, int64_t part, int64_t whole)
{
	jw_key(w, key);
	if (whole == 0)
		jw_null(w);
	else
		jw_double(w, (double)part / (double)whole);
}

static void write_stages(const struct layout *l, struct json_writer *w)
{
	jw_key(w, "stages");
	jw_array(w);
	for (size_t m = 0; m < l->nmetrics; m++) {
		jw_object(w);
		write_metric(l, m, w);
		write_value(l, json_at(l->rows, 0), m, w);
		write_share(w, "ofFirst", count_of(l, m), count_of(l, 0));
		write_share(w, "ofPrevious", count_of(l, m), count_of(l, m > 0 ? m - 1 : 0));
		jw_end(w);
	}
	jw_end(w);
}

/* The values of a column, each once, in the order of the rows. */
static void write_axis(const struct layout *l, const char *key, const char *column,
		       struct json_writer *w)
{
	jw_key(w, key);
	jw_object(w);
	write_text(w, "name", column);
	jw_key(w, "values");
	jw_array(w);
	for (size_t i = 0; i < json_len(l->rows); i++) {
		const struct json *v = json_get(json_at(l->rows, i), column);
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = same(json_get(json_at(l->rows, k), column), v);
		if (!seen)
			jw_str(w, json_string_or_null(v));
	}
	jw_end(w);
	jw_end(w);
}

static void write_heat(const struct layout *l, struct json_writer *w)
{
	const char *x = l->dated ? "date" : l->dimensions[0];
	const char *y = l->dated ? l->dimensions[0] : l->dimensions[1];

	write_metric(l, 0, w);
	write_axis(l, "x", x, w);
	write_axis(l, "y", y, w);
	jw_key(w, "cells");
	jw_array(w);
	for (size_t i = 0; i < json_len(l->rows); i++) {
		const struct json *row = json_at(l->rows, i);

		jw_object(w);
		write_json(w, "x", json_get(row, x));
		write_json(w, "y", json_get(row, y));
		write_value(l, row, 0, w);
		jw_end(w);
	}
	jw_end(w);
}

static const struct widget_kind kinds[] = {
	{"kpi_tile", 1, 4, 0, 0, false, false, false, write_values},
	{"time_series", 1, 8, 0, 1, false, true, false, write_series},
	{"breakdown", 1, 8, 1, 2, false, false, false, write_items},
	{"funnel", 2, 8, 0, 0, false, false, true, write_stages},
	{"heatmap", 1, 1, 2, 2, true, false, false, write_heat},
};

const char *const widget_kind_names[] = {"kpi_tile", "time_series", "breakdown",
					 "funnel",   "heatmap",     NULL};

const struct widget_kind *widget_kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

static void check_metrics(const struct widget_kind *k, const struct request *r, struct arena *a,
			  struct faults *f)
{
	if (r->nmetrics < k->metrics_min || r->nmetrics > k->metrics_max)
		faults_add(f, a, "query.metrics", "a %s shows %zu to %zu metrics", k->name,
			   k->metrics_min, k->metrics_max);
	for (size_t i = 0; k->counts && i < r->nmetrics; i++) {
		if (r->metrics[i]->unit != UNIT_COUNT)
			faults_add(f, a, arena_printf(a, "query.metrics[%zu]", i),
				   "a %s shows counts, and %s is a %s", k->name, r->metrics[i]->key,
				   unit_name(r->metrics[i]->unit));
	}
}

void widget_kind_check(const struct widget_kind *k, const struct request *r, struct arena *a,
		       struct faults *f)
{
	bool periods = r->calendar.granularity != GRANULARITY_NONE;
	unsigned dimensions = (unsigned)__builtin_popcount(request_group_dimensions(r) &
							   ~DIM_BIT(DIM_CURRENCY));

	check_metrics(k, r, a, f);
	if (k->periods && !periods)
		faults_add(f, a, "query.granularity", "a %s needs a granularity", k->name);
	if (!k->periods && !k->dated && periods)
		faults_add(f, a, "query.granularity", "a %s shows the window as one period",
			   k->name);
	if (k->dated && periods)
		dimensions++;
	if (dimensions < k->dimensions_min || dimensions > k->dimensions_max)
		faults_add(f, a, "query.dimensions",
			   "a %s shows %u to %u dimensions, and this query has %u%s", k->name,
			   k->dimensions_min, k->dimensions_max, dimensions,
			   k->dated ? ", its periods among them" : "");
}

void widget_kind_write(const struct widget_kind *k, const struct json *result,
		       struct json_writer *w)
{
	struct layout l;

	read_layout(result, &l);
	jw_object(w);
	k->write(&l, w);
	jw_end(w);
}
