/*
 * What a kind of job has to do, in portions: each is a statement or little more, so that jobs.c can
 * renew the lease, note the progress, and stop between two of them. An errand that is begun again
 * by another attempt goes on with what is left.
 */
#ifndef ETLD_ERRAND_H
#define ETLD_ERRAND_H

#include "common/auth/sign.h"
#include "common/daemon/daemon.h"
#include "common/net/redisq.h"
#include "common/pg/pgpool.h"
#include "etld/job/job.h"

struct publisher;

struct errand_env {
	struct daemon *daemon;
	struct pgpool *control, *warehouse;
	struct redisq *redis;        /* NULL: none */
	const struct signer *signer; /* NULL: no key; a purge needs one */
	struct publisher *publisher; /* a switch of versions needs it */
};

enum errand_outcome {
	ERRAND_MORE, /* the next portion may follow */
	ERRAND_WAIT, /* in a moment: something else has to happen first */
	ERRAND_DONE,
	ERRAND_LOST,   /* somebody else has taken it */
	ERRAND_FAILED, /* for the reason */
};

/* `reason` and `why` with ERRAND_FAILED; borrowed. */
typedef void (*errand_fn)(void *arg, enum errand_outcome outcome, enum job_reason reason,
			  const char *why);

struct errand_kind {
	const char *name; /* of the kind of job */
	/* `job` is borrowed until the end, and is where it notes how far it is. */
	void *(*begin)(const struct errand_env *env, struct job *job);
	void (*portion)(void *errand, errand_fn fn, void *arg); /* fn once, maybe at once */
	void (*end)(void *errand);
	bool lasting; /* it may take hours: another lane, and no time limit */
};

/* What this version can do; a job of another kind stays queued for one that can. */
const struct errand_kind *errand_find(const char *name);
enum errand_lane { ERRANDS_SHORT, ERRANDS_LASTING, ERRANDS_ALL, ERRAND_LANES };
const char *errand_kinds(enum errand_lane lane); /* their names, as a Postgres array */

#endif
