/*
 * What one caller handed in, and what became of each of its events. A submission is open until
 * every item has an outcome, which for all of them is decided by a commit (or by its failure); then
 * on_done is called once and the caller is answered. Nothing is acknowledged earlier.
 */
#ifndef INGESTD_SUBMISSION_H
#define INGESTD_SUBMISSION_H

#include "common/base/strbuf.h"

enum outcome {
	OUTCOME_ACCEPTED,
	OUTCOME_DUPLICATE,
	OUTCOME_CONFLICT,    /* same id, other content: kept as a dead letter */
	OUTCOME_DEAD_LETTER, /* unusable: kept with its bytes and the reason */
	OUTCOME_COUNT,
};

enum submission_limit {
	LIMIT_NONE,
	LIMIT_QUEUE, /* the queue has no room for more of a tenant */
	LIMIT_RATE,  /* a tenant sends more than its rate */
};

struct submission_refusal {
	enum submission_limit by;
	int64_t limit; /* of the queue in bytes, of the rate in events a second */
	double retry_after_s;
};

struct submission_error {
	uint32_t index; /* position of the event in the submission, from 0 */
	const char *code;
	char *detail; /* owned */
};

struct submission {
	unsigned magic;
	size_t open; /* items without an outcome, plus one until sealed */
	size_t counts[OUTCOME_COUNT];
	bool failed; /* a batch was not landed: the caller must send again */
	/* with failed, when it was not even let in */
	struct submission_refusal refusal;
	struct submission_error *errors;
	size_t nerrors, errors_cap;
	void (*on_done)(void *arg, const struct submission *s);
	void *arg;
};

/* on_done runs from submission_seal or later, never before; s is freed after it returned. */
struct submission *submission_new(void (*on_done)(void *arg, const struct submission *s),
				  void *arg) MUST_CHECK;
void submission_opened(struct submission *s); /* one more item */
/* Ends one item. `code` and `detail` (copied) may be NULL for accepted and duplicate ones. */
void submission_settle(struct submission *s, uint32_t index, enum outcome o, const char *code,
		       const char *detail);
void submission_settle_failed(struct submission *s);
/* The answer, as JSON: how many events went which way, and what was wrong with which. */
void submission_write(const struct submission *s, struct strbuf *out);
/* Nothing of it was let in; its items end by submission_settle_failed. */
void submission_refuse(struct submission *s, struct submission_refusal why);
/* Instead of sealing, when nothing of it is to land: its items are settled, on_done is not called.
 */
void submission_abandon(struct submission *s);
void submission_seal(struct submission *s); /* no more items; s may be gone after this */

#endif
