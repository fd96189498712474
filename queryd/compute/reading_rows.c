/* Members of a request that say which rows there are; see reading.h. */
#include "queryd/compute/reading.h"

#include "queryd/property_id.h"

#define CURSOR_MAX 20000

static const char *const calendar_names[] = {"gregorian", "solar_hijri"};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ---- granularity, dimensions */

void reading_granularity(struct reading *rd, const struct json *v)
{
	const char *name = json_string_or_null(v);

	if (name == NULL || granularity_find(name, &rd->request->calendar.granularity) < 0)
		faults_add(rd->faults, rd->arena, "granularity",
			   "must be one of day, week, month, quarter, year");
}

void reading_calendar(struct reading *rd, const struct json *v)
{
	int c = reading_name(rd, v, "calendar", calendar_names, ARRAY_SIZE(calendar_names));

	rd->request->calendar.solar_hijri = c == 1;
}

/* What every metric of the request has, as a list of names. */
static unsigned common_dimensions(const struct reading *rd, struct strbuf *list)
{
	const struct request *r = rd->request;
	unsigned allowed = r->nmetrics > 0 ? ~0U : 0;

	for (size_t i = 0; i < r->nmetrics; i++)
		allowed &= r->metrics[i]->dimensions;
	for (int d = 0; d < DIM_FILTERS; d++) {
		if ((allowed & DIM_BIT(d)) != 0)
			strbuf_appendf(list, "%s%s", list->len > 0 ? ", " : "",
				       dimension_name((enum dimension)d));
	}
	return allowed;
}

/* The dimension, if every metric has it; else a fault that lists those they have. */
static bool dimension_of(struct reading *rd, const char *name, const char *field,
			 enum dimension *ret)
{
	struct strbuf list = STRBUF_INIT;
	unsigned allowed = common_dimensions(rd, &list);
	bool ok = dimension_find(name, ret) == 0 && (allowed & DIM_BIT(*ret)) != 0;

	if (!ok)
		faults_add(rd->faults, rd->arena, field, "%s the dimensions %s",
			   rd->request->nmetrics > 1 ? "these metrics have in common"
						     : "this metric has",
			   strbuf_cstr(&list));
	strbuf_clear(&list);
	return ok;
}

void reading_dimensions(struct reading *rd, const struct json *v)
{
	struct request *r = rd->request;

	if (json_kind(v) != JSON_ARRAY || json_len(v) > DIM_COUNT + 1) {
		faults_add(rd->faults, rd->arena, "dimensions",
			   "must be an array of at most %d names", DIM_COUNT + 1);
		return;
	}
	for (size_t i = 0; i < json_len(v); i++) {
		const char *field = arena_printf(rd->arena, "dimensions[%zu]", i), *name;
		enum dimension d;

		name = reading_string(rd, json_at(v, i), field);
		if (name == NULL)
			continue;
		if (strcmp(name, "date") == 0) { /* grouping by date is a period of a day */
			if (r->calendar.granularity == GRANULARITY_NONE)
				r->calendar.granularity = GRANULARITY_DAY;
		} else if (dimension_of(rd, name, field, &d)) {
			r->dimensions |= DIM_BIT(d);
		}
	}
}

/* ---- filters */

static void sort_values(struct value_list *l)
{
	size_t n = 0;

	qsort(l->values, l->n, sizeof(*l->values), compare);
	for (size_t i = 0; i < l->n; i++) {
		if (n == 0 || strcmp(l->values[n - 1], l->values[i]) != 0)
			l->values[n++] = l->values[i];
	}
	l->n = n;
}

/* As the curated rows spell it. */
static const char *canonical(struct reading *rd, enum dimension d, const char *value,
			     const char *field)
{
	char id[PROPERTY_ID_MAX + 1];

	if (value == NULL || d != DIM_PROPERTY)
		return value;
	if (property_id_canonical(value, id) == 0)
		return arena_strdup(rd->arena, id);
	faults_add(rd->faults, rd->arena, field, "must be ids of properties");
	return NULL;
}

static void read_values(struct reading *rd, const struct json *v, bool single, enum dimension d,
			const char *field, struct value_list *ret)
{
	if (ret->given) {
		faults_add(rd->faults, rd->arena, field,
			   "this dimension is filtered twice the same way");
		return;
	}
	if (json_kind(v) != JSON_ARRAY || json_len(v) == 0 || json_len(v) > REQUEST_VALUES_MAX ||
	    (single && json_len(v) != 1)) {
		faults_add(rd->faults, rd->arena, field, "must be an array of %s",
			   single ? "exactly one value for eq and ne" : "1 to 200 values");
		return;
	}
	ret->given = true;
	ret->values = arena_alloc(rd->arena, json_len(v) * sizeof(*ret->values));
	for (size_t i = 0; i < json_len(v); i++) {
		const char *value = canonical(rd, d, reading_string(rd, json_at(v, i), field),
					      field);

		if (value != NULL)
			ret->values[ret->n++] = value;
	}
	sort_values(ret);
}

static const struct {
	const char *name;
	bool out, single;
} operators[] = {
	{"eq", false, true}, {"ne", true, true}, {"in", false, false}, {"not_in", true, false}};

static void read_filter(struct reading *rd, const struct json *v, size_t i)
{
	const char *field = arena_printf(rd->arena, "filters[%zu]", i), *name, *op;
	enum dimension d;

	if (json_kind(v) != JSON_OBJECT || json_len(v) != 3 || json_get(v, "values") == NULL) {
		faults_add(rd->faults, rd->arena, field, "must be {dimension, op, values}");
		return;
	}
	name = json_string_or_null(json_get(v, "dimension"));
	op = json_string_or_null(json_get(v, "op"));
	if (!dimension_of(rd, name != NULL ? name : "",
			  arena_printf(rd->arena, "%s.dimension", field), &d))
		return;
	for (size_t o = 0; op != NULL && o < ARRAY_SIZE(operators); o++) {
		if (strcmp(operators[o].name, op) == 0) {
			read_values(rd, json_get(v, "values"), operators[o].single, d,
				    arena_printf(rd->arena, "%s.values", field),
				    operators[o].out ? &rd->request->out[d] : &rd->request->in[d]);
			return;
		}
	}
	faults_add(rd->faults, rd->arena, arena_printf(rd->arena, "%s.op", field),
		   "must be one of eq, ne, in, not_in");
}

void reading_filters(struct reading *rd, const struct json *v)
{
	if (json_kind(v) != JSON_ARRAY || json_len(v) > 2 * DIM_FILTERS) {
		faults_add(rd->faults, rd->arena, "filters",
			   "must be an array of at most %d filters", 2 * DIM_FILTERS);
		return;
	}
	for (size_t i = 0; i < json_len(v); i++)
		read_filter(rd, json_at(v, i), i);
}

/* ---- order and pages */

/* A column of the result by its name. */
static bool column_of(const struct request *r, const char *name, struct order_term *ret)
{
	unsigned shown = request_group_dimensions(r);

	if (strcmp(name, "date") == 0) {
		ret->kind = ORDER_DATE;
		return r->calendar.granularity != GRANULARITY_NONE;
	}
	for (size_t d = 0; d < DIM_COUNT; d++) {
		if ((shown & DIM_BIT(d)) != 0 &&
		    strcmp(dimension_name((enum dimension)d), name) == 0) {
			*ret = (struct order_term){.kind = ORDER_DIMENSION, .index = d};
			return true;
		}
	}
	for (size_t m = 0; m < r->nmetrics; m++) {
		if (strcmp(r->metrics[m]->key, name) == 0) {
			*ret = (struct order_term){.kind = ORDER_METRIC, .index = m};
			return true;
		}
	}
	return false;
}

static void read_order_term(struct reading *rd, const struct json *v, size_t i)
{
	static const char *const directions[] = {"asc", "desc"};
	const char *field = arena_printf(rd->arena, "orderBy[%zu]", i);
	const struct json *direction = json_get(v, "direction");
	const char *name = json_string_or_null(json_get(v, "column"));
	struct order_term term = {.descending = false};
	int way = 0;

	if (name == NULL || json_len(v) != 1 + (size_t)(direction != NULL)) {
		faults_add(rd->faults, rd->arena, field, "must be {column, direction?}");
		return;
	}
	if (direction != NULL)
		way = reading_name(rd, direction, arena_printf(rd->arena, "%s.direction", field),
				   directions, ARRAY_SIZE(directions));
	if (!column_of(rd->request, name, &term)) {
		faults_add(rd->faults, rd->arena, arena_printf(rd->arena, "%s.column", field),
			   "must be a column of the result: date, a dimension or a metric");
		return;
	}
	term.descending = way == 1;
	rd->request->order[rd->request->norder++] = term;
}

void reading_order_by(struct reading *rd, const struct json *v)
{
	if (json_kind(v) != JSON_ARRAY || json_len(v) > REQUEST_ORDER_MAX) {
		faults_add(rd->faults, rd->arena, "orderBy",
			   "must be an array of at most %d columns", REQUEST_ORDER_MAX);
		return;
	}
	for (size_t i = 0; i < json_len(v); i++)
		read_order_term(rd, json_at(v, i), i);
}

void reading_limit(struct reading *rd, const struct json *v)
{
	if (json_i64(v, "limit", 1, REQUEST_LIMIT_MAX, &rd->request->limit, NULL) < 0)
		faults_add(rd->faults, rd->arena, "limit", "must be an integer from 1 to %d",
			   REQUEST_LIMIT_MAX);
}

void reading_cursor(struct reading *rd, const struct json *v)
{
	const char *text = json_string_or_null(v);

	if (text == NULL || text[0] == '\0' || strlen(text) > CURSOR_MAX)
		faults_add(rd->faults, rd->arena, "cursor",
			   "must be the nextCursor of an earlier answer");
	else
		rd->request->cursor = arena_strdup(rd->arena, text);
}
