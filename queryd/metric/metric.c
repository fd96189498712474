/* Loading and finding metric definitions; see metric.h. */
#include "queryd/metric/metric.h"

#include <errno.h>

#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "common/pg/pgconn.h"

#define DEFINITION_MAX 16384

static const char *const unit_names[UNIT_KIND_COUNT] = {
	[UNIT_COUNT] = "count",
	[UNIT_PERCENT] = "percent",
	[UNIT_CURRENCY] = "currency",
	[UNIT_RATIO] = "ratio",
};

struct metric_set {
	unsigned refs;
	uint64_t serial;
	struct arena *arena;
	struct metric_def *metrics;
	size_t n;
};

const char *unit_name(enum unit_kind u)
{
	return unit_names[u];
}

static int read_part(const struct json *definition, const char *member, const struct part **ret,
		     struct err *e)
{
	const struct json *v = json_get(definition, member);
	const char *name;

	if (v == NULL)
		return 0;
	if (json_string(v, member, &name, e) < 0)
		return e->code;
	*ret = part_find(name);
	return *ret != NULL ? 0 : err_set(e, -EINVAL, "%s: there is no part '%s'", member, name);
}

static int read_dimensions(struct metric_def *m, const struct json *list, struct err *e)
{
	for (size_t i = 0; i < json_len(list); i++) {
		const char *name = json_string_or_null(json_at(list, i));
		enum dimension d;

		if (name == NULL || dimension_find(name, &d) < 0)
			return err_set(e, -EINVAL, "dimensions: there is no dimension '%s'",
				       name != NULL ? name : "");
		m->dimensions |= DIM_BIT(d);
	}
	if ((m->dimensions & ~m->numerator->source->dimensions) != 0 ||
	    (m->denominator != NULL && (m->dimensions & ~m->denominator->source->dimensions) != 0))
		return err_set(e, -EINVAL, "dimensions: a part does not have them all");
	return 0;
}

static int read_definition(struct metric_def *m, const char *text, struct err *e)
{
	struct json *definition = NULL;
	int64_t slo = 300;
	int r = json_parse(slice_of(text), DEFINITION_MAX, &definition, e);

	if (r == 0)
		r = read_part(definition, "numerator", &m->numerator, e);
	if (r == 0 && m->numerator == NULL)
		r = err_set(e, -EINVAL, "numerator is missing");
	if (r == 0)
		r = read_part(definition, "denominator", &m->denominator, e);
	if (r == 0 && json_get(definition, "share") != NULL)
		r = json_bool(json_get(definition, "share"), "share", &m->share, e);
	if (r == 0 && json_get(definition, "freshnessSloSeconds") != NULL)
		r = json_i64(json_get(definition, "freshnessSloSeconds"), "freshnessSloSeconds", 1,
			     86400, &slo, e);
	if (r == 0)
		r = read_dimensions(m, json_get(definition, "dimensions"), e);
	m->freshness_slo_s = slo;
	json_free(definition);
	return r;
}

static int read_unit(struct metric_def *m, const char *name, struct err *e)
{
	for (int u = 0; u < UNIT_KIND_COUNT; u++) {
		if (strcmp(unit_names[u], name) == 0) {
			m->unit = (enum unit_kind)u;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "there is no unit '%s'", name);
}

/* Columns: key, version, display, unit_kind, definition, definition_hash, archived,
 * archived_at. */
int metric_set_new(const struct pgresult *rows, size_t at, struct metric_set **ret, struct err *e)
{
	static uint64_t serial;
	struct metric_set *s = xcalloc(1, sizeof(*s));
	size_t n = pgresult_rows(rows, at);
	int r = 0;

	s->refs = 1;
	s->serial = ++serial;
	s->arena = arena_new();
	s->metrics = xcalloc(n, sizeof(*s->metrics));
	for (size_t i = 0; i < n && r == 0; i++) {
		struct metric_def *m = &s->metrics[s->n++];

		m->key = arena_strdup(s->arena, pgresult_text(rows, at, i, 0));
		m->version = (int)pgresult_i64(rows, at, i, 1);
		m->display = arena_strdup(s->arena, pgresult_text(rows, at, i, 2));
		m->hash = arena_strdup(s->arena, pgresult_text(rows, at, i, 5));
		m->archived = pgresult_bool(rows, at, i, 6);
		if (pgresult_text(rows, at, i, 7) != NULL)
			m->archived_at = arena_strdup(s->arena, pgresult_text(rows, at, i, 7));
		r = read_unit(m, pgresult_text(rows, at, i, 3), e);
		if (r == 0)
			r = read_definition(m, pgresult_text(rows, at, i, 4), e);
		if (r < 0)
			r = err_wrap(e, r, "metric %s version %d", m->key, m->version);
	}
	if (r < 0) {
		metric_set_unref(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct metric_set *metric_set_ref(struct metric_set *s)
{
	s->refs++;
	return s;
}

void metric_set_unref(struct metric_set *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	arena_free(s->arena);
	free(s->metrics);
	free(s);
}

uint64_t metric_set_serial(const struct metric_set *s)
{
	return s != NULL ? s->serial : 0;
}

size_t metric_set_count(const struct metric_set *s)
{
	return s->n;
}

const struct metric_def *metric_set_at(const struct metric_set *s, size_t i)
{
	return &s->metrics[i];
}

const struct metric_def *metric_find(const struct metric_set *s, const char *key, int64_t version)
{
	const struct metric_def *newest = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct metric_def *m = &s->metrics[i];

		if (strcmp(m->key, key) != 0)
			continue;
		if (version != 0 && m->version == version)
			return m;
		if (version == 0 && !m->archived &&
		    (newest == NULL || m->version > newest->version))
			newest = m;
	}
	return newest;
}

bool metric_has_key(const struct metric_set *s, const char *key)
{
	bool found = false;

	for (size_t i = 0; i < s->n && !found; i++)
		found = strcmp(s->metrics[i].key, key) == 0;
	return found;
}

unsigned metric_implied_dimensions(const struct metric_def *m)
{
	return (m->share ? DIM_BIT(DIM_CHANNEL) : 0) |
	       (m->numerator->money ? DIM_BIT(DIM_CURRENCY) : 0);
}

bool metric_uses_source(const struct metric_def *m, size_t source)
{
	return source_index(m->numerator->source) == source ||
	       (m->denominator != NULL && source_index(m->denominator->source) == source);
}
