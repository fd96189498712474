/*
 * Jobs: work that somebody asked for (analytics.etl_jobs), beside the stream. What the kinds of
 * jobs do is in errand.h; this is the life of a job, whatever it does. Kinds that last are another
 * lane, so that nobody waits for them.
 *
 * A job belongs to its worker by a lease that is renewed while it runs. A worker that dies loses
 * it, and another goes on with what is left. A job whose source is not ready, or that failed
 * otherwise, is tried again after a while, three times in all; one that takes longer than
 * job_timeout has failed. An etld that is stopped gives its job back, which does not count as an
 * attempt. What failed for good stays in etl_jobs, in `etld status` and in the metrics.
 */
#ifndef ETLD_JOBS_H
#define ETLD_JOBS_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"

struct jobs;
struct publisher;

struct jobs_options {
	int64_t lease_ms, timeout_ms; /* of an attempt; 0: it may take as long as it takes */
	struct redisq *redis;         /* for what a purge takes out of it; NULL: none */
	const struct signer *signer;  /* of purge records; NULL: none */
	struct publisher *publisher;  /* is told what a switch of versions changed */
	bool lasting;                 /* the kinds that may take hours; else all the others */
};

struct jobs *jobs_new(struct daemon *d, struct pgpool *control, struct pgpool *warehouse,
		      const struct jobs_options *o) MUST_CHECK;
/* Gives the job that it has back to the queue, with what is left of it; on_done once, maybe before
 * it returns. */
void jobs_drain(struct jobs *j, void (*on_done)(void *arg), void *arg);
void jobs_stop(struct jobs *j); /* claims nothing more; before the pools are freed; NULL is fine */
void jobs_free(struct jobs *j); /* after the pools are freed */

#endif
