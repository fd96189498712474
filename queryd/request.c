/* Reading metric requests; see request.h. */
#include "queryd/request.h"

#include <errno.h>
#include <stdarg.h>

#include "common/json.h"
#include "common/timestamp.h"
#include "queryd/property_id.h"

#define VALUE_MAX 200

static const char *const preset_names[PRESET_COUNT] = {
	[PRESET_TODAY] = "today",
	[PRESET_YESTERDAY] = "yesterday",
	[PRESET_LAST_7_DAYS] = "last_7_days",
	[PRESET_LAST_30_DAYS] = "last_30_days",
	[PRESET_MTD] = "mtd",
	[PRESET_YTD] = "ytd",
	[PRESET_NEXT_30_DAYS] = "next_30_days",
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool value_list_has(const struct value_list *l, const char *value)
{
	return l->n > 0 && bsearch(&value, l->values, l->n, sizeof(*l->values), compare) != NULL;
}

void faults_add(struct faults *f, struct arena *a, const char *field, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (f->n == REQUEST_FAULTS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->v[f->n++] = (struct problem_violation){arena_strdup(a, field), arena_strdup(a, text)};
}

/* What one member's reader works with. */
struct reading {
	struct arena *arena;
	struct request *request;
	struct faults *faults;
};

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

/* ---- dateRange */

static void check_window(struct reading *rd, const char *from, const char *to)
{
	struct request *r = rd->request;
	bool from_ok = from != NULL && timestamp_parse_date(slice_of(from), &r->from) == 0;
	bool to_ok = to != NULL && timestamp_parse_date(slice_of(to), &r->to) == 0;

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

static void read_preset(struct reading *rd, const char *name)
{
	for (int p = PRESET_TODAY; p < PRESET_COUNT; p++) {
		if (strcmp(preset_names[p], name) == 0) {
			rd->request->preset = (enum preset)p;
			return;
		}
	}
	faults_add(rd->faults, rd->arena, "dateRange.preset",
		   "must be one of today, yesterday, last_7_days, last_30_days, mtd, ytd, "
		   "next_30_days");
}

static void read_date_range(struct reading *rd, const struct json *v)
{
	const struct json *preset = json_get(v, "preset");
	const struct json *from = json_get(v, "from"), *to = json_get(v, "to");
	size_t known = (preset != NULL) + (size_t)(from != NULL) + (size_t)(to != NULL);

	rd->request->preset = PRESET_NONE;
	if (json_kind(v) != JSON_OBJECT || known != json_len(v) || (preset != NULL && known != 1)) {
		faults_add(rd->faults, rd->arena, "dateRange",
			   "must be {from, to} or {preset}, and nothing else");
	} else if (preset != NULL) {
		const char *name = string_of(rd, preset, "dateRange.preset");

		if (name != NULL)
			read_preset(rd, name);
	} else {
		check_window(rd, json_string_or_null(from), json_string_or_null(to));
	}
}

/* ---- granularity, dimensions, filters */

static void read_granularity(struct reading *rd, const struct json *v)
{
	const char *name = json_string_or_null(v);

	if (name == NULL || granularity_find(name, &rd->request->granularity) < 0)
		faults_add(rd->faults, rd->arena, "granularity",
			   "must be one of day, week, month, quarter, year");
}

/* The dimension, if the metric has it; else a fault that lists those it has. */
static bool dimension_of(struct reading *rd, const char *name, const char *field,
			 enum dimension *ret)
{
	unsigned allowed = rd->request->metric->dimensions;
	struct strbuf list = STRBUF_INIT;

	if (dimension_find(name, ret) == 0 && (allowed & DIM_BIT(*ret)) != 0)
		return true;
	for (int d = 0; d < DIM_FILTERS; d++) {
		if ((allowed & DIM_BIT(d)) != 0)
			strbuf_appendf(&list, "%s%s", list.len > 0 ? ", " : "",
				       dimension_name((enum dimension)d));
	}
	faults_add(rd->faults, rd->arena, field, "this metric has the dimensions %s",
		   strbuf_cstr(&list));
	strbuf_clear(&list);
	return false;
}

static void read_dimensions(struct reading *rd, const struct json *v)
{
	if (json_kind(v) != JSON_ARRAY || json_len(v) > DIM_COUNT + 1) {
		faults_add(rd->faults, rd->arena, "dimensions", "must be an array of names");
		return;
	}
	for (size_t i = 0; i < json_len(v); i++) {
		const char *field = arena_printf(rd->arena, "dimensions[%zu]", i), *name;
		enum dimension d;

		name = string_of(rd, json_at(v, i), field);
		if (name == NULL)
			continue;
		if (strcmp(name, "date") == 0) { /* grouping by date is a period of a day */
			if (rd->request->granularity == GRANULARITY_NONE)
				rd->request->granularity = GRANULARITY_DAY;
		} else if (dimension_of(rd, name, field, &d)) {
			rd->request->dimensions |= DIM_BIT(d);
		}
	}
}

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

static void read_version(struct reading *rd, const struct json *v)
{
	int64_t version;

	if (json_i64(v, "version", 1, 1000000, &version, NULL) < 0)
		faults_add(rd->faults, rd->arena, "version", "must be an integer from 1 on");
}

/* ---- the body */

static const struct {
	const char *name;
	void (*read)(struct reading *rd, const struct json *v); /* NULL: not available */
} members[] = {
	/* granularity before dimensions: an explicit period wins over `date` */
	{"dateRange", read_date_range},
	{"granularity", read_granularity},
	{"dimensions", read_dimensions},
	{"filters", read_filters},
	{"version", read_version},
	{"currency", NULL},
	{"compareTo", NULL},
	{"asOf", NULL},
	{"params", NULL},
};

static struct json *parse(struct slice body, struct arena *a, struct faults *f)
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

int64_t request_version(struct slice body, struct arena *a, struct faults *f)
{
	struct json *root = parse(body, a, f);
	int64_t version = 0;

	if (root == NULL)
		return 0;
	if (json_get(root, "version") != NULL &&
	    json_i64(json_get(root, "version"), "version", 1, 1000000, &version, NULL) < 0)
		faults_add(f, a, "version", "must be an integer from 1 on");
	json_free(root);
	return version;
}

void request_read(struct slice body, const struct metric_def *m, struct arena *a,
		  struct request *ret, struct faults *f)
{
	struct reading rd = {a, ret, f};
	struct json *root = parse(body, a, f);
	size_t known = 0;

	*ret = (struct request){.metric = m, .preset = PRESET_LAST_30_DAYS};
	if (root == NULL)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct json *v = json_get(root, members[i].name);

		if (v == NULL)
			continue;
		known++;
		if (json_kind(v) == JSON_NULL)
			continue;
		if (members[i].read != NULL)
			members[i].read(&rd, v);
		else
			faults_add(f, a, members[i].name, "is not available for this metric");
	}
	for (size_t i = 0; known < json_len(root) && i < json_len(root); i++) {
		bool found = false;

		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			found |= strcmp(members[k].name, json_key_at(root, i)) == 0;
		if (!found)
			faults_add(f, a, json_key_at(root, i), "there is no such member");
	}
	json_free(root);
}

void request_read_window(const char *from, const char *to, struct arena *a, struct request *ret,
			 struct faults *f)
{
	struct reading rd = {a, ret, f};

	ret->preset = PRESET_LAST_30_DAYS;
	if (from == NULL && to == NULL)
		return;
	ret->preset = PRESET_NONE;
	check_window(&rd, from, to);
}

void request_resolve(struct request *r, int32_t today)
{
	switch (r->preset) {
	case PRESET_TODAY:
		r->from = r->to = today;
		break;
	case PRESET_YESTERDAY:
		r->from = r->to = today - 1;
		break;
	case PRESET_LAST_7_DAYS:
		r->from = today - 6;
		r->to = today;
		break;
	case PRESET_LAST_30_DAYS:
		r->from = today - 29;
		r->to = today;
		break;
	case PRESET_MTD:
		r->from = granularity_floor(GRANULARITY_MONTH, today);
		r->to = today;
		break;
	case PRESET_YTD:
		r->from = granularity_floor(GRANULARITY_YEAR, today);
		r->to = today;
		break;
	case PRESET_NEXT_30_DAYS:
		r->from = today + 1;
		r->to = today + 30;
		break;
	case PRESET_NONE:
	case PRESET_COUNT:
		break;
	}
	r->preset = PRESET_NONE;
}

void request_write_window(const struct request *r, struct json_writer *w)
{
	char date[TIMESTAMP_TEXT_MAX];

	jw_object(w);
	jw_key(w, "from");
	timestamp_format_date(r->from, date);
	jw_str(w, date);
	jw_key(w, "to");
	timestamp_format_date(r->to, date);
	jw_str(w, date);
	jw_end(w);
}

static void append_list(struct strbuf *out, const struct value_list *l)
{
	for (size_t i = 0; l->given && i < l->n; i++)
		strbuf_append_json(out, slice_of(l->values[i]));
	strbuf_append_char(out, l->given ? ';' : '-');
}

void request_normal_form(const struct request *r, struct strbuf *out)
{
	ASSERT(r->preset == PRESET_NONE);
	strbuf_appendf(out, "%d..%d g%d d%x ", r->from, r->to, (int)r->granularity, r->dimensions);
	for (int d = 0; d < DIM_FILTERS; d++) {
		append_list(out, &r->in[d]);
		append_list(out, &r->out[d]);
	}
}
