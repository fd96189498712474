/*
 * Inside compute/: a job, and which of the jobs are in flight: those that run and those that wait
 * for another process. Of equal ones in flight there is one, the leader; the others wait for it. A
 * leader may hold the lease of its entry in the cache (cache.h), which is renewed for as long as it
 * is in flight.
 */
#ifndef QUERYD_COMPUTE_JOB_H
#define QUERYD_COMPUTE_JOB_H

#include <sys/queue.h>

#include "queryd/compute/compute.h"
#include "queryd/compute/run.h"
#include "queryd/cost/cost.h"

#define JOB_MAGIC OBJ_MAGIC('J')

TAILQ_HEAD(jobs, compute_job);

struct compute_job {
	unsigned magic;
	struct compute *compute;
	TAILQ_ENTRY(compute_job) link; /* of those in flight, or of who waits for `leader` */
	compute_fn fn;                 /* NULL: cancelled */
	void *arg;
	struct arena *arena;
	struct metric_set *platform, *own; /* held for the request's metrics */
	const struct request *request;
	struct run run;
	const char *tenant_id, *scope, *actor_id;
	struct reads reads;
	struct cost_question cost;
	int64_t charged;
	bool starting, ended; /* inside compute_run(), which frees it */
	char key[CACHE_KEY_LEN + 1], question[CACHE_KEY_LEN + 1], versions[CACHE_VERSIONS_MAX];
	struct cache_name name;
	char lease[ULID_LEN + 1]; /* "": none */
	int64_t max_stale_ms;     /* -1: only what is current */
	enum quality quality;
	bool partial;
	const char *cache;          /* what X-Cache says unless it is a hit */
	int64_t started_mono_us;    /* of its query, or of its wait for the leader's */
	struct query *query;        /* running */
	bool in_flight;             /* on the list of those */
	bool given_up;              /* nobody may wait for it any more */
	struct daemon_timer *pause; /* of one that waits for another process */
	int64_t pause_ms;
	bool pausing;
	struct compute_job *leader;
	struct jobs waiters;
};

struct compute {
	struct queryd *st;
	struct jobs in_flight;
	struct daemon_timer *renew; /* of the leases */
	bool renewing;
	struct metric_family *outcomes;
	struct metric *hits, *seconds, *bytes;
};

/* Calls fn, unless it is NULL, and frees the job unless it is still being started. */
void job_end(struct compute_job *j, const struct compute_outcome *o);
void job_end_problem(struct compute_job *j, enum problem_code code, const char *detail);
void job_free(struct compute_job *j);
/* The same of the job and all that wait for it; `a` NULL: the problem. It leaves the flight. */
void job_end_all(struct compute_job *j, const struct answer *a, enum problem_code code,
		 const char *detail);

/* Whether anybody wants the outcome. */
bool job_awaited(const struct compute_job *leader);
/* Lets it wait for an equal one in flight. false: there is none. */
bool job_follow(struct compute_job *j);
/* In flight until it ends; it may be already. */
void job_fly(struct compute_job *j);
/* Its lease is renewed from now on, if it has one. */
void job_keep_lease(struct compute_job *j);
/* A daemon_timer of compute.renew. */
void job_renew_leases(void *arg);

#endif
