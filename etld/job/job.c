/* What was claimed; see job.h. */
#include "etld/job/job.h"

#include "common/base/backoff.h"
#include "common/base/xalloc.h"

#define STEPS_MAX 10

const struct job_reason_rule job_reasons[JOB_REASON_COUNT] = {
	[JOB_ERROR] = {"ERROR", true},
	[JOB_SOURCE_NOT_READY] = {"SOURCE_NOT_READY", true},
	[JOB_TIMEOUT] = {"TIMEOUT", false},
	[JOB_UNSUPPORTED] = {"UNSUPPORTED", false},
};

void job_take(struct job *job, const struct pgresult *r)
{
	if (pgresult_rows(r, 0) == 0)
		return;
	for (size_t i = 0; i < CLAIM_COLUMNS; i++) {
		const char *text = pgresult_text(r, 0, 0, i);

		job->claim[i] = text != NULL ? xstrdup(text) : NULL;
	}
	job->attempt = pgresult_i64(r, 0, 0, CLAIM_ATTEMPT);
}

void job_forget(struct job *job)
{
	for (size_t i = 0; i < CLAIM_COLUMNS; i++)
		free(job->claim[i]);
	*job = (struct job){.rows_in = "0", .rows_out = "0", .progress = "0"};
}

/* Nobody remembers the wait before: the steps up to this one are taken again. */
int64_t job_retry_in_ms(int64_t attempt)
{
	struct backoff b = {.base_ms = 2000, .cap_ms = 300000};
	int64_t wait_ms = 0;

	for (int64_t i = 0; i < attempt && i < STEPS_MAX; i++)
		wait_ms = backoff_next_ms(&b, backoff_random());
	return wait_ms;
}
