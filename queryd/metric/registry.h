/*
 * What is published: metrics and projections, from the control database. Loaded before queryd is
 * ready and asked for again every 30 s; a set that this binary cannot compute is refused, said once
 * and the one before stays.
 */
#ifndef QUERYD_METRIC_REGISTRY_H
#define QUERYD_METRIC_REGISTRY_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"
#include "queryd/metric/metric.h"

struct projection {
	const char *key, *consumer, *table, *status;
	int64_t version, freshness_slo_s;
	struct slice subjects, depends_on; /* JSON arrays */
};

struct registry;

/* on_loaded is told once, when both have been read for the first time. */
struct registry *registry_new(struct daemon *d, struct pgpool *control,
			      void (*on_loaded)(void *arg), void *arg) MUST_CHECK;
void registry_stop(struct registry *g);
void registry_free(struct registry *g); /* after its pool is gone */

/* Borrowed until the loop's next turn; metric_set_ref() keeps it longer. Once loaded never NULL. */
struct metric_set *registry_metrics(const struct registry *g);
size_t registry_projection_count(const struct registry *g);
const struct projection *registry_projection_at(const struct registry *g, size_t i);
const struct projection *registry_projection(const struct registry *g,
					     const char *key); /* or NULL */

#endif
