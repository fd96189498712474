/*
 * L1: counters, gauges and histograms, exposed as Prometheus text. A daemon registers its metrics
 * once at start; handles live as long as the process. Labels are a fixed set of values per family
 * (domain, outcome, reason …), never a tenant: cardinality is bounded by `METRICS_SERIES_MAX`, past
 * it values fall into the series "other".
 */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include "common/base/strbuf.h"

struct metric;        /* one series */
struct metric_family; /* several series told apart by label values */

#define METRICS_SERIES_MAX 256

struct metric *metrics_counter(const char *name, const char *help);
struct metric *metrics_gauge(const char *name, const char *help);
/* Bounds in the unit of the name (seconds for *_seconds), ascending; +Inf is added. */
struct metric *metrics_histogram(const char *name, const char *help, const double *bounds,
				 size_t n);
/* `labels` = "a,b": names; metrics_with takes as many values. */
struct metric_family *metrics_counter_family(const char *name, const char *help,
					     const char *labels);
struct metric_family *metrics_gauge_family(const char *name, const char *help, const char *labels);
struct metric_family *metrics_histogram_family(const char *name, const char *help,
					       const char *labels, const double *bounds, size_t n);
struct metric *metrics_with(struct metric_family *f, const char *const *values);

void metric_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, double v);
void metric_observe(struct metric *m, double v);
double metric_value(const struct metric *m); /* for tests and readiness: counter or gauge */

/* Common latency bounds, seconds: 0.5 ms … 10 s. */
extern const double METRICS_SECONDS[];
extern const size_t METRICS_SECONDS_COUNT;

void metrics_write(struct strbuf *out);
void metrics_free_all(void); /* at exit, so that leak checkers see the rest */

#endif
