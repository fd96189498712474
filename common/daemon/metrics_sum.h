/*
 * L1: the metrics of several processes as those of one: Prometheus texts as metrics_write() makes
 * them, added up series by series. Right for counters, histograms and gauges that count something.
 * Families keep the order in which they first come.
 */
#ifndef COMMON_METRICS_SUM_H
#define COMMON_METRICS_SUM_H

#include "common/base/strbuf.h"

void metrics_sum(const struct slice *texts, size_t n, struct strbuf *out);

#endif
