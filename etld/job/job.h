/*
 * A job as it was claimed (claim_job.sql), how far it is, and how it may end. Pure.
 */
#ifndef ETLD_JOB_H
#define ETLD_JOB_H

#include "common/pg/pgconn.h"
#include "etld/stream/consumers.h"

/* Columns of claim_job.sql. */
enum {
	CLAIM_ID,
	CLAIM_KIND,
	CLAIM_PROJECTION,
	CLAIM_TENANT,
	CLAIM_PARAMS,
	CLAIM_ATTEMPT,
	CLAIM_MAX_ATTEMPTS,
	CLAIM_TRIGGER,
	CLAIM_DEPENDENCIES,
	CLAIM_DEPENDENCY_CONSUMERS,
	CLAIM_COLUMNS
};

struct job {
	char *claim[CLAIM_COLUMNS]; /* texts; [CLAIM_ID] NULL: there is no job */
	int64_t attempt;
	int64_t claimed_ms;                           /* by the monotonic clock */
	char rows_in[24], rows_out[24], progress[32]; /* as far as it is */
	char error[512], wait[32];                    /* why it failed, until when */
};

/* Why an attempt failed, for those who react to it. */
enum job_reason { JOB_ERROR, JOB_SOURCE_NOT_READY, JOB_TIMEOUT, JOB_UNSUPPORTED, JOB_REASON_COUNT };

struct job_reason_rule {
	const char *name;
	bool retriable; /* another attempt may go well */
};
extern const struct job_reason_rule job_reasons[JOB_REASON_COUNT];

/* Takes the row of claim_job.sql; no row makes no job. */
void job_take(struct job *job, const struct pgresult *r);
void job_forget(struct job *job); /* frees; there is no job then. Also makes a new struct usable */
/* How long after its n-th attempt the next one may come, with jitter. */
int64_t job_retry_in_ms(int64_t attempt);

#endif
