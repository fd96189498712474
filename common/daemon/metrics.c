/*
 * Metrics; see metrics.h. Everything lives in one arena from the first registration to
 * metrics_free_all; registering a name again gives the family that is there, so that two users of
 * one adapter share it. Series are found by comparing label values: callers on hot paths keep the
 * handle that metrics_with returned. Misuse (two kinds under one name, a bad name) is a bug.
 */
#include "common/daemon/metrics.h"

#include <math.h>

#include "common/base/arena.h"
#include "common/base/utf8.h"

#define LABELS_MAX 4

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct metric {
	struct metric *next;
	const struct metric_family *family;
	const char *values[LABELS_MAX];
	double value;      /* counter, gauge; sum of a histogram */
	uint64_t count;    /* histogram: observations */
	uint64_t *buckets; /* observations in (bound before, bound]; those above the last only in
			      count */
};

struct metric_family {
	struct metric_family *next;
	const char *name, *help;
	enum kind kind;
	const char *labels[LABELS_MAX];
	size_t nlabels;
	const double *bounds;
	size_t nbounds;
	struct metric *series, **last;
	size_t nseries;
};

static struct {
	struct arena *arena;
	struct metric_family *families, **last;
} registry;

const double METRICS_SECONDS[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
				  0.1,    0.25,  0.5,    1,     2.5,  5,     10};
const size_t METRICS_SECONDS_COUNT = ARRAY_SIZE(METRICS_SECONDS);

static bool valid_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return n > 0 && s[n] == '\0' && (s[0] < '0' || s[0] > '9');
}

/* "a,b" into names. */
static void split_labels(struct metric_family *f, const char *labels)
{
	while (*labels != '\0') {
		size_t n = strcspn(labels, ",");

		ASSERT(f->nlabels < LABELS_MAX);
		f->labels[f->nlabels] = arena_strndup(registry.arena, labels, n);
		ASSERT(valid_name(f->labels[f->nlabels]) &&
		       strcmp(f->labels[f->nlabels], "le") != 0);
		f->nlabels++;
		labels += n + (labels[n] == ',');
	}
}

static struct metric_family *family(enum kind kind, const char *name, const char *help,
				    const char *labels, const double *bounds, size_t nbounds)
{
	struct metric_family *f;
	double *copy;

	if (registry.arena == NULL) {
		registry.arena = arena_new();
		registry.last = &registry.families;
	}
	for (f = registry.families; f != NULL; f = f->next) {
		if (strcmp(f->name, name) == 0) {
			ASSERT(f->kind == kind && (f->nlabels == 0) == (labels[0] == '\0'));
			return f;
		}
	}
	ASSERT(valid_name(name));
	f = arena_alloc(registry.arena, sizeof(*f));
	f->name = arena_strdup(registry.arena, name);
	f->help = arena_strdup(registry.arena, help);
	f->kind = kind;
	split_labels(f, labels);
	copy = arena_alloc(registry.arena, nbounds * sizeof(*copy));
	for (size_t i = 0; i < nbounds; i++) {
		ASSERT(isfinite(bounds[i]) && (i == 0 || bounds[i] > bounds[i - 1]));
		copy[i] = bounds[i];
	}
	f->bounds = copy;
	f->nbounds = nbounds;
	f->last = &f->series;
	*registry.last = f;
	registry.last = &f->next;
	return f;
}

static bool has_values(const struct metric *m, const char *const *values)
{
	for (size_t i = 0; i < m->family->nlabels; i++)
		if (strcmp(m->values[i], values[i]) != 0)
			return false;
	return true;
}

struct metric *metrics_with(struct metric_family *f, const char *const *values)
{
	static const char *const other[LABELS_MAX] = {"other", "other", "other", "other"};
	struct metric *m;

	for (m = f->series; m != NULL; m = m->next)
		if (has_values(m, values))
			return m;
	/* the last place is kept for what finds none */
	if (f->nseries >= METRICS_SERIES_MAX - 1 && values != other)
		return metrics_with(f, other);
	m = arena_alloc(registry.arena, sizeof(*m));
	m->family = f;
	for (size_t i = 0; i < f->nlabels; i++)
		m->values[i] = arena_strdup(registry.arena, values[i]);
	m->buckets = arena_alloc(registry.arena, f->nbounds * sizeof(*m->buckets));
	*f->last = m;
	f->last = &m->next;
	f->nseries++;
	return m;
}

struct metric_family *metrics_counter_family(const char *name, const char *help, const char *labels)
{
	return family(COUNTER, name, help, labels, NULL, 0);
}

struct metric_family *metrics_gauge_family(const char *name, const char *help, const char *labels)
{
	return family(GAUGE, name, help, labels, NULL, 0);
}

struct metric_family *metrics_histogram_family(const char *name, const char *help,
					       const char *labels, const double *bounds, size_t n)
{
	return family(HISTOGRAM, name, help, labels, bounds, n);
}

static struct metric *only_series(struct metric_family *f)
{
	static const char *const no_values[LABELS_MAX];

	ASSERT(f->nlabels == 0);
	return metrics_with(f, no_values);
}

struct metric *metrics_counter(const char *name, const char *help)
{
	return only_series(metrics_counter_family(name, help, ""));
}

struct metric *metrics_gauge(const char *name, const char *help)
{
	return only_series(metrics_gauge_family(name, help, ""));
}

struct metric *metrics_histogram(const char *name, const char *help, const double *bounds, size_t n)
{
	return only_series(metrics_histogram_family(name, help, "", bounds, n));
}

void metric_add(struct metric *m, int64_t n)
{
	ASSERT(m->family->kind == GAUGE || (m->family->kind == COUNTER && n >= 0));
	m->value += (double)n;
}

void metric_set(struct metric *m, double v)
{
	ASSERT(m->family->kind == GAUGE);
	m->value = v;
}

void metric_observe(struct metric *m, double v)
{
	const struct metric_family *f = m->family;

	ASSERT(f->kind == HISTOGRAM && isfinite(v));
	for (size_t i = 0; i < f->nbounds; i++) {
		if (v <= f->bounds[i]) {
			m->buckets[i]++;
			break;
		}
	}
	m->count++;
	m->value += v;
}

double metric_value(const struct metric *m)
{
	ASSERT(m->family->kind != HISTOGRAM);
	return m->value;
}

/* ---- the text format, version 0.0.4 */

static void append_number(struct strbuf *out, double v)
{
	if (isfinite(v))
		strbuf_append_double(out, v);
	else
		strbuf_append_str(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
}

/* Escapes backslash and newline, in label values also the quote; the output must be UTF-8. */
static void append_escaped(struct strbuf *out, const char *s, bool quote)
{
	size_t n, left = strlen(s);

	for (; left > 0; s += n, left -= n) {
		n = utf8_sequence(s, left);
		if (n == 0) {
			n = 1;
			strbuf_append_char(out, '?');
		} else if (*s == '\n') {
			strbuf_append_str(out, "\\n");
		} else {
			if (*s == '\\' || (*s == '"' && quote))
				strbuf_append_char(out, '\\');
			strbuf_append(out, s, n);
		}
	}
}

/* name_suffix{labels,le="…"} and a space. */
static void append_series(struct strbuf *out, const struct metric *m, const char *suffix,
			  const double *le)
{
	const struct metric_family *f = m->family;
	char before = '{';

	strbuf_appendf(out, "%s%s", f->name, suffix);
	for (size_t i = 0; i < f->nlabels; i++) {
		strbuf_appendf(out, "%c%s=\"", before, f->labels[i]);
		append_escaped(out, m->values[i], true);
		strbuf_append_char(out, '"');
		before = ',';
	}
	if (le != NULL) {
		strbuf_appendf(out, "%cle=\"", before);
		append_number(out, *le);
		strbuf_append_char(out, '"');
		before = ',';
	}
	strbuf_append_str(out, before == ',' ? "} " : " ");
}

static void append_histogram(struct strbuf *out, const struct metric *m)
{
	static const double infinity = INFINITY;
	uint64_t below = 0;

	for (size_t i = 0; i < m->family->nbounds; i++) {
		below += m->buckets[i];
		append_series(out, m, "_bucket", &m->family->bounds[i]);
		strbuf_append_i64(out, (int64_t)below);
		strbuf_append_char(out, '\n');
	}
	append_series(out, m, "_bucket", &infinity);
	strbuf_append_i64(out, (int64_t)m->count);
	strbuf_append_char(out, '\n');
	append_series(out, m, "_sum", NULL);
	append_number(out, m->value);
	strbuf_append_char(out, '\n');
	append_series(out, m, "_count", NULL);
	strbuf_append_i64(out, (int64_t)m->count);
	strbuf_append_char(out, '\n');
}

void metrics_write(struct strbuf *out)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};

	for (const struct metric_family *f = registry.families; f != NULL; f = f->next) {
		strbuf_appendf(out, "# HELP %s ", f->name);
		append_escaped(out, f->help, false);
		strbuf_appendf(out, "\n# TYPE %s %s\n", f->name, kinds[f->kind]);
		for (const struct metric *m = f->series; m != NULL; m = m->next) {
			if (f->kind == HISTOGRAM) {
				append_histogram(out, m);
				continue;
			}
			append_series(out, m, "", NULL);
			append_number(out, m->value);
			strbuf_append_char(out, '\n');
		}
	}
}

void metrics_free_all(void)
{
	arena_free(registry.arena);
	registry.arena = NULL;
	registry.families = NULL;
}
