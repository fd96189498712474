/* From JSON to a request; see request.h. */
#include "queryd/request.h"

#include <errno.h>

#include "common/num.h"
#include "common/timestamp.h"
#include "queryd/property_id.h"

#define VALUE_MAX   200
#define CURSOR_MAX  20000
#define VERSION_MAX 1000000
#define YEAR_FIRST  1000 /* dates between them stay dates when they are moved and rounded */
#define YEAR_LAST   8999

static const char *const preset_names[PRESET_COUNT] = {
	[PRESET_TODAY] = "today",
	[PRESET_YESTERDAY] = "yesterday",
	[PRESET_LAST_7_DAYS] = "last_7_days",
	[PRESET_LAST_30_DAYS] = "last_30_days",
	[PRESET_MTD] = "mtd",
	[PRESET_YTD] = "ytd",
	[PRESET_NEXT_30_DAYS] = "next_30_days",
};

static const char *const comparison_names[COMPARISON_COUNT] = {
	[COMPARE_PREVIOUS_PERIOD] = "previous_period",
	[COMPARE_SAME_TIME_LAST_YEAR] = "same_time_last_year",
};

static const char *const calendar_names[] = {"gregorian", "solar_hijri"};

/* What one member's reader works with. */
struct reading {
	struct arena *arena;
	struct request *request;
	struct faults *faults;
	request_find_fn find; /* of queries:run */
	void *arg;
	const char *unknown; /* the member that names a metric which there is not */
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The string of v, or NULL after a fault. */
static const char *string_of(struct reading *rd, const struct json *v, const char *field)
{
	const char *s = json_string_or_null(v);

	if (s == NULL || strlen(s) > VALUE_MAX || s[0] == '\0') {
		faults_add(rd->faults, rd->arena, field, "must be a string of 1 to %d characters",
			   VALUE_MAX);
		return NULL;
	}
	return arena_strdup(rd->arena, s);
}

/* Position of v among the names (holes are NULL), or -1 after a fault that lists them. */
static int name_of(struct reading *rd, const struct json *v, const char *field,
		   const char *const *names, size_t n)
{
	const char *s = json_string_or_null(v);
	struct strbuf list = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (names[i] == NULL)
			continue;
		if (s != NULL && strcmp(names[i], s) == 0) {
			strbuf_clear(&list);
			return (int)i;
		}
		strbuf_appendf(&list, "%s%s", list.len > 0 ? ", " : "", names[i]);
	}
	faults_add(rd->faults, rd->arena, field, "must be one of %s", strbuf_cstr(&list));
	strbuf_clear(&list);
	return -1;
}

/* ---- metrics */

static void read_metric_name(struct reading *rd, const char *name, const char *field)
{
	struct request *r = rd->request;
	const char *at = strrchr(name, '@'), *key = name;
	const struct metric_def *m;
	int64_t version = 0;

	if (at != NULL) {
		if (num_i64(slice_of(at + 1), 1, VERSION_MAX, &version) < 0) {
			faults_add(rd->faults, rd->arena, field,
				   "must be a metric's key, or <key>@<version>");
			return;
		}
		key = arena_strndup(rd->arena, name, (size_t)(at - name));
	}
	m = rd->find(rd->arg, key, version);
	if (m == NULL) {
		rd->unknown = rd->unknown != NULL ? rd->unknown : field;
		return;
	}
	for (size_t i = 0; i < r->nmetrics; i++) {
		if (strcmp(r->metrics[i]->key, m->key) == 0) {
			faults_add(rd->faults, rd->arena, field, "this metric is named twice");
			return;
		}
	}
	r->metrics[r->nmetrics++] = m;
}

static void read_metrics(struct reading *rd, const struct json *v)
{
	if (json_kind(v) != JSON_ARRAY || json_len(v) == 0 || json_len(v) > REQUEST_METRICS_MAX) {
		faults_add(rd->faults, rd->arena, "metrics", "must be an array of 1 to %d keys",
			   REQUEST_METRICS_MAX);
		return;
	}
	for (size_t i = 0; i < json_len(v); i++) {
		const char *field = arena_printf(rd->arena, "metrics[%zu]", i);
		const char *name = string_of(rd, json_at(v, i), field);

		if (name != NULL)
			read_metric_name(rd, name, field);
	}
}

/* ---- dateRange, compareTo, asOf, params */

static bool date_of(const char *text, int32_t *ret)
{
	int year;

	if (text == NULL || timestamp_parse_date(slice_of(text), ret) < 0)
		return false;
	year = timestamp_civil(*ret).year;
	return year >= YEAR_FIRST && year <= YEAR_LAST;
}

static void check_window(struct reading *rd, const char *from, const char *to)
{
	struct request *r = rd->request;
	bool from_ok = date_of(from, &r->from), to_ok = date_of(to, &r->to);

	if (!from_ok)
		faults_add(rd->faults, rd->arena, "dateRange.from", "must be a date YYYY-MM-DD");
	if (!to_ok)
		faults_add(rd->faults, rd->arena, "dateRange.to", "must be a date YYYY-MM-DD");
	if (!from_ok || !to_ok)
		return;
	if (r->from > r->to)
		faults_add(rd->faults, rd->arena, "dateRange", "from must not be after to");
	else if (r->to - r->from + 1 > REQUEST_DAYS_MAX)
		faults_add(rd->faults, rd->arena, "dateRange", "must be at most %d days",
			   REQUEST_DAYS_MAX);
}

static void read_date_range(struct reading *rd, const struct json *v)
{
	const struct json *preset = json_get(v, "preset");
	const struct json *from = json_get(v, "from"), *to = json_get(v, "to");
	size_t known = (preset != NULL) + (size_t)(from != NULL) + (size_t)(to != NULL);
	int p;

	rd->request->preset = PRESET_NONE;
	if (json_kind(v) != JSON_OBJECT || known != json_len(v) || (preset != NULL && known != 1)) {
		faults_add(rd->faults, rd->arena, "dateRange",
			   "must be {from, to} or {preset}, and nothing else");
	} else if (preset != NULL) {
		p = name_of(rd, preset, "dateRange.preset", preset_names, PRESET_COUNT);
		if (p >= 0)
			rd->request->preset = (enum preset)p;
	} else {
		check_window(rd, json_string_or_null(from), json_string_or_null(to));
	}
}

static void read_compare_to(struct reading *rd, const struct json *v)
{
	int c = name_of(rd, v, "compareTo", comparison_names, COMPARISON_COUNT);

	if (c >= 0)
		rd->request->comparison = (enum comparison)c;
}

/* A member that only metrics with a history understand. */
static bool needs_history(struct reading *rd, const char *field)
{
	const struct request *r = rd->request;

	for (size_t i = 0; i < r->nmetrics; i++) {
		if (!source_has_history(r->metrics[i]->numerator->source)) {
			faults_add(rd->faults, rd->arena, field,
				   "is for metrics with a history (on the books, pickup, pace), "
				   "not for %s",
				   r->metrics[i]->key);
			return false;
		}
	}
	return true;
}

static void read_as_of(struct reading *rd, const struct json *v)
{
	const char *text = json_string_or_null(v);
	char canonical[TIMESTAMP_TEXT_MAX];
	int64_t us;

	if (!needs_history(rd, "asOf"))
		return;
	if (text == NULL || timestamp_parse(slice_of(text), &us) < 0) {
		faults_add(rd->faults, rd->arena, "asOf", "must be an instant, RFC 3339");
		return;
	}
	timestamp_format(us, canonical);
	rd->request->as_of = arena_strdup(rd->arena, canonical);
}

static void read_params(struct reading *rd, const struct json *v)
{
	if (json_kind(v) != JSON_OBJECT || json_len(v) != (json_get(v, "days") != NULL)) {
		faults_add(rd->faults, rd->arena, "params", "must be {days}");
		return;
	}
	if (json_len(v) == 0 || !needs_history(rd, "params.days"))
		return;
	if (json_i64(json_get(v, "days"), "days", 1, REQUEST_LAG_MAX, &rd->request->lag_days,
		     NULL) < 0)
		faults_add(rd->faults, rd->arena, "params.days", "must be an integer from 1 to %d",
			   REQUEST_LAG_MAX);
}

/* ---- granularity, dimensions */

static void read_granularity(struct reading *rd, const struct json *v)
{
	const char *name = json_string_or_null(v);

	if (name == NULL || granularity_find(name, &rd->request->calendar.granularity) < 0)
		faults_add(rd->faults, rd->arena, "granularity",
			   "must be one of day, week, month, quarter, year");
}

static void read_calendar(struct reading *rd, const struct json *v)
{
	int c = name_of(rd, v, "calendar", calendar_names, ARRAY_SIZE(calendar_names));

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

static void read_dimensions(struct reading *rd, const struct json *v)
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

		name = string_of(rd, json_at(v, i), field);
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
		const char *value = canonical(rd, d, string_of(rd, json_at(v, i), field), field);

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

static void read_filters(struct reading *rd, const struct json *v)
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
		way = name_of(rd, direction, arena_printf(rd->arena, "%s.direction", field),
			      directions, ARRAY_SIZE(directions));
	if (!column_of(rd->request, name, &term)) {
		faults_add(rd->faults, rd->arena, arena_printf(rd->arena, "%s.column", field),
			   "must be a column of the result: date, a dimension or a metric");
		return;
	}
	term.descending = way == 1;
	rd->request->order[rd->request->norder++] = term;
}

static void read_order_by(struct reading *rd, const struct json *v)
{
	if (json_kind(v) != JSON_ARRAY || json_len(v) > REQUEST_ORDER_MAX) {
		faults_add(rd->faults, rd->arena, "orderBy",
			   "must be an array of at most %d columns", REQUEST_ORDER_MAX);
		return;
	}
	for (size_t i = 0; i < json_len(v); i++)
		read_order_term(rd, json_at(v, i), i);
}

static void read_limit(struct reading *rd, const struct json *v)
{
	if (json_i64(v, "limit", 1, REQUEST_LIMIT_MAX, &rd->request->limit, NULL) < 0)
		faults_add(rd->faults, rd->arena, "limit", "must be an integer from 1 to %d",
			   REQUEST_LIMIT_MAX);
}

static void read_cursor(struct reading *rd, const struct json *v)
{
	const char *text = json_string_or_null(v);

	if (text == NULL || text[0] == '\0' || strlen(text) > CURSOR_MAX)
		faults_add(rd->faults, rd->arena, "cursor",
			   "must be the nextCursor of an earlier answer");
	else
		rd->request->cursor = arena_strdup(rd->arena, text);
}

/* ---- the members */

enum { OF_COMPUTE = 1, OF_QUERY = 2, OF_BOTH = OF_COMPUTE | OF_QUERY };

/* Read in this order: metrics first, since the others depend on them; granularity before
 * dimensions, since an explicit period wins over `date`; both before what names columns. */
static const struct {
	const char *name;
	unsigned where;
	void (*read)(struct reading *rd, const struct json *v); /* NULL: read elsewhere */
} members[] = {
	{"metrics", OF_QUERY, read_metrics},
	{"version", OF_COMPUTE, NULL}, /* request_version() */
	{"dateRange", OF_BOTH, read_date_range},
	{"granularity", OF_BOTH, read_granularity},
	{"calendar", OF_BOTH, read_calendar},
	{"dimensions", OF_BOTH, read_dimensions},
	{"filters", OF_BOTH, read_filters},
	{"compareTo", OF_BOTH, read_compare_to},
	{"asOf", OF_BOTH, read_as_of},
	{"params", OF_BOTH, read_params},
	{"currency", OF_BOTH, NULL}, /* see read_members() */
	{"orderBy", OF_QUERY, read_order_by},
	{"limit", OF_QUERY, read_limit},
	{"cursor", OF_QUERY, read_cursor},
};

static void check_names(struct reading *rd, const struct json *root, unsigned where)
{
	for (size_t i = 0; i < json_len(root); i++) {
		bool found = false;

		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			found |= (members[k].where & where) != 0 &&
				 strcmp(members[k].name, json_key_at(root, i)) == 0;
		if (!found)
			faults_add(rd->faults, rd->arena, json_key_at(root, i),
				   "there is no such member");
	}
}

static void read_members(struct reading *rd, const struct json *root, unsigned where)
{
	for (size_t i = 0; i < ARRAY_SIZE(members) && rd->unknown == NULL; i++) {
		const struct json *v = json_get(root, members[i].name);

		if (v == NULL || json_kind(v) == JSON_NULL || (members[i].where & where) == 0)
			continue;
		if (members[i].read != NULL)
			members[i].read(rd, v);
		else if (strcmp(members[i].name, "currency") == 0)
			faults_add(rd->faults, rd->arena, "currency",
				   "is not available: amounts come in the currencies they have");
	}
	check_names(rd, root, where);
}

struct json *request_parse(struct slice body, struct arena *a, struct faults *f)
{
	struct err e = ERR_INIT;
	struct json *root = NULL;

	if (json_parse(body, REQUEST_BODY_MAX, &root, &e) < 0) {
		faults_add(f, a, "body", "%s", e.msg);
		return NULL;
	}
	if (json_kind(root) != JSON_OBJECT) {
		faults_add(f, a, "body", "must be a JSON object");
		json_free(root);
		return NULL;
	}
	return root;
}

int64_t request_version(const struct json *body, struct arena *a, struct faults *f)
{
	const struct json *v = json_get(body, "version");
	int64_t version = 0;

	if (v != NULL && json_kind(v) != JSON_NULL &&
	    json_i64(v, "version", 1, VERSION_MAX, &version, NULL) < 0)
		faults_add(f, a, "version", "must be an integer from 1 on");
	return version;
}

void request_read_metric(const struct json *body, const struct metric_def *m, struct arena *a,
			 struct request *ret, struct faults *f)
{
	struct reading rd = {.arena = a, .request = ret, .faults = f};

	*ret = (struct request){.metrics = {m},
				.nmetrics = 1,
				.preset = PRESET_LAST_30_DAYS,
				.calendar.week_start = MONDAY};
	read_members(&rd, body, OF_COMPUTE);
}

/* A share is by its dimension, which the other metrics then must have. */
static void check_shares(struct reading *rd)
{
	const struct request *r = rd->request;
	unsigned implied = request_group_dimensions(r) & ~DIM_BIT(DIM_CURRENCY) & ~r->dimensions;

	for (size_t i = 0; i < r->nmetrics; i++) {
		if ((implied & ~r->metrics[i]->dimensions) != 0)
			faults_add(rd->faults, rd->arena, "metrics",
				   "a share is by channel, which %s is not", r->metrics[i]->key);
	}
}

void request_read_query(const struct json *query, request_find_fn find, void *arg, struct arena *a,
			struct request *ret, const char **ret_unknown, struct faults *f)
{
	struct reading rd = {.arena = a, .request = ret, .faults = f, .find = find, .arg = arg};

	*ret = (struct request){.preset = PRESET_LAST_30_DAYS, .calendar.week_start = MONDAY};
	if (json_kind(query) != JSON_OBJECT) {
		faults_add(f, a, "query", "must be a JSON object");
		return;
	}
	if (json_get(query, "metrics") == NULL)
		faults_add(f, a, "metrics", "must be an array of 1 to %d keys",
			   REQUEST_METRICS_MAX);
	read_members(&rd, query, OF_QUERY);
	check_shares(&rd);
	*ret_unknown = rd.unknown;
}

void request_read_window(const char *from, const char *to, struct arena *a, struct request *ret,
			 struct faults *f)
{
	struct reading rd = {.arena = a, .request = ret, .faults = f};

	ret->preset = PRESET_LAST_30_DAYS;
	if (from == NULL && to == NULL)
		return;
	ret->preset = PRESET_NONE;
	check_window(&rd, from, to);
}
