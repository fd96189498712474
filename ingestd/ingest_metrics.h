/*
 * What ingestd counts about events, for /metrics. No label names a tenant; a domain that is not the
 * platform's counts as "other", so that events cannot invent series.
 */
#ifndef INGESTD_INGEST_METRICS_H
#define INGESTD_INGEST_METRICS_H

#include "common/daemon/metrics.h"
#include "ingestd/landing/batch.h"
#include "ingestd/landing/landing.h"

struct ingest_metrics {
	struct metric_family *events, *dead_letters;
	struct metric *lag, *seconds, *batch_events, *queue_bytes, *queue_events, *careful, *recent;
};

void ingest_metrics_init(struct ingest_metrics *m);
/* One event came in, so long after it had occurred. */
void ingest_metrics_received(struct ingest_metrics *m, int64_t lag_us, bool seen_lately);
void ingest_metrics_queue(struct ingest_metrics *m, struct share_use held);
/* A batch was landed and its items are settled. */
void ingest_metrics_landed(struct ingest_metrics *m, const struct batch *b,
			   const struct landing_report *r);

#endif
