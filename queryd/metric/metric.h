/*
 * The registry of metrics. Definitions are rows of analytics.metric_definitions, immutable once
 * published and identified by the hash of their definition; this is the loaded copy. A metric is a
 * part, a ratio of two parts, or a share: a part over the same part of all groups of one dimension.
 */
#ifndef QUERYD_METRIC_METRIC_H
#define QUERYD_METRIC_METRIC_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "queryd/metric/parts.h"

struct pgresult;

enum unit_kind { UNIT_COUNT, UNIT_PERCENT, UNIT_CURRENCY, UNIT_RATIO, UNIT_KIND_COUNT };

struct metric_def {
	const char *key;
	int version;
	const char *display; /* I18nString, JSON */
	const char *hash;
	enum unit_kind unit;
	const struct part *numerator;
	const struct part *denominator; /* NULL: the numerator is the metric, or its share */
	bool share;                     /* of DIM_CHANNEL, which is then always grouped by */
	unsigned dimensions;            /* what may be grouped and filtered by */
	int64_t freshness_slo_s;
	bool archived;
	const char *archived_at; /* from when on; NULL: no date is set */
};

struct metric_set;

/* Result `at` of list_metrics.sql or list_own_metrics.sql, ascending by key and version. A row that
 * this binary cannot compute (an unknown part) is an error. */
int metric_set_new(const struct pgresult *rows, size_t at, struct metric_set **ret,
		   struct err *e) MUST_CHECK;
/* Whoever holds definitions over a turn of the loop holds their set. */
struct metric_set *metric_set_ref(struct metric_set *s) MUST_CHECK;
void metric_set_unref(struct metric_set *s); /* NULL is fine */
/* Tells any two sets of this process apart, whenever they lived; 0 of NULL. */
uint64_t metric_set_serial(const struct metric_set *s);
size_t metric_set_count(const struct metric_set *s);
const struct metric_def *metric_set_at(const struct metric_set *s, size_t i);
/* The version, or the newest not archived when version is 0; NULL: none. */
const struct metric_def *metric_find(const struct metric_set *s, const char *key, int64_t version);

/* Whether there is any version of the metric. */
bool metric_has_key(const struct metric_set *s, const char *key);

const char *unit_name(enum unit_kind u);
/* What the cells are grouped by for this metric beyond what was asked. */
unsigned metric_implied_dimensions(const struct metric_def *m);
bool metric_uses_source(const struct metric_def *m, size_t source);

#endif
