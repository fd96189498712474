/* From JSON to a request; see request.h. */
#include "queryd/compute/reading.h"

#include "common/base/num.h"
#include "common/base/timestamp.h"

#define VALUE_MAX    200
#define VERSION_MAX  1000000
#define CURRENCY_LEN 3
#define YEAR_FIRST   12 /* a window has 10 years and moves by as many, at most */

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

/* ---- what the readers of members have in common */

const char *reading_string(struct reading *rd, const struct json *v, const char *field)
{
	const char *s = json_string_or_null(v);

	if (s == NULL || strlen(s) > VALUE_MAX || s[0] == '\0') {
		faults_add(rd->faults, rd->arena, field, "must be a string of 1 to %d characters",
			   VALUE_MAX);
		return NULL;
	}
	return arena_strdup(rd->arena, s);
}

int reading_name(struct reading *rd, const struct json *v, const char *field,
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
		const char *name = reading_string(rd, json_at(v, i), field);

		if (name != NULL)
			read_metric_name(rd, name, field);
	}
}

/* ---- dateRange, compareTo, asOf, params */

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
		p = reading_name(rd, preset, "dateRange.preset", preset_names, PRESET_COUNT);
		if (p >= 0)
			rd->request->preset = (enum preset)p;
	} else {
		check_window(rd, json_string_or_null(from), json_string_or_null(to));
	}
}

static void read_compare_to(struct reading *rd, const struct json *v)
{
	int c = reading_name(rd, v, "compareTo", comparison_names, COMPARISON_COUNT);

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

static void read_currency(struct reading *rd, const struct json *v)
{
	const char *code = json_string_or_null(v);
	struct request *r = rd->request;
	bool amounts = (request_group_dimensions(r) & DIM_BIT(DIM_CURRENCY)) != 0;

	if (code == NULL || strlen(code) != CURRENCY_LEN ||
	    strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != CURRENCY_LEN)
		faults_add(rd->faults, rd->arena, "currency", "must be a code of ISO 4217");
	else if (!amounts && r->nmetrics > 0)
		faults_add(rd->faults, rd->arena, "currency",
			   "is for amounts: none of the metrics is one");
	else
		r->currency = arena_strdup(rd->arena, code);
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
	{"granularity", OF_BOTH, reading_granularity},
	{"calendar", OF_BOTH, reading_calendar},
	{"dimensions", OF_BOTH, reading_dimensions},
	{"filters", OF_BOTH, reading_filters},
	{"compareTo", OF_BOTH, read_compare_to},
	{"asOf", OF_BOTH, read_as_of},
	{"params", OF_BOTH, read_params},
	{"currency", OF_BOTH, read_currency},
	{"orderBy", OF_QUERY, reading_order_by},
	{"limit", OF_QUERY, reading_limit},
	{"cursor", OF_QUERY, reading_cursor},
};

/* What a window is moved to, or rounded down to, must be a date too. */
static void check_far_dates(struct reading *rd)
{
	const struct request *r = rd->request;
	bool moved = r->comparison != COMPARE_NONE || r->calendar.solar_hijri ||
		     r->calendar.granularity == GRANULARITY_WEEK;

	if (moved && r->preset == PRESET_NONE && timestamp_civil(r->from).year < YEAR_FIRST)
		faults_add(rd->faults, rd->arena, "dateRange",
			   "must be after the year %d for this calendar or comparison",
			   YEAR_FIRST - 1);
}

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
	}
	check_names(rd, root, where);
	check_far_dates(rd);
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
