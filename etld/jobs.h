/*
 * Jobs: work that somebody asked for (analytics.etl_jobs), beside the stream. A refresh job touches
 * every key of a projection, for one tenant or all; the scheduler rebuilds them like any other
 * touched keys, and the job is done when none of them is left.
 *
 * A job belongs to its worker by a lease that is renewed while it runs; a worker that dies loses it
 * and another goes on from the start, which is harmless: touching a key twice rebuilds it twice.
 */
#ifndef ETLD_JOBS_H
#define ETLD_JOBS_H

#include "common/daemon.h"
#include "common/pgpool.h"

struct jobs;

struct jobs *jobs_new(struct daemon *d, struct pgpool *control, struct pgpool *warehouse,
		      int64_t lease_ms) MUST_CHECK;
void jobs_stop(struct jobs *j); /* claims nothing more; before the pools are freed; NULL is fine */
void jobs_free(struct jobs *j); /* after the pools are freed */

#endif
