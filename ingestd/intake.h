/*
 * Takes bodies apart: each event is read by the rules (envelope.c) and goes to the batcher, or
 * becomes a dead letter with the place of its fault. What is refused as a whole (an array that is
 * not JSON, a tenant the caller may not send for) is refused before anything of it is kept.
 */
#ifndef INGESTD_INTAKE_H
#define INGESTD_INTAKE_H

#include "ingestd/batcher.h"

struct intake;

/* The tenants a caller may send for; not limited = all. */
struct intake_tenants {
	bool limited;
	char **ids;
	size_t n;
};

struct intake_refusal {
	bool forbidden; /* 403, else 400 */
	char detail[256];
};

typedef void (*intake_settled_fn)(void *arg, const struct submission *s);

struct intake *intake_new(struct batcher *batcher, const struct ingestd_config *conf) MUST_CHECK;
void intake_free(struct intake *in);

enum batcher_door intake_door(const struct intake *in, size_t bytes);

/* One JSON event or an array of them. 0: `fn` is called once all are settled (at once when there is
 * nothing to land);
 * -EINVAL: nothing was kept, `why` says where the fault is. */
int intake_json(struct intake *in, struct slice body, const struct intake_tenants *tenants,
		intake_settled_fn fn, void *arg, struct intake_refusal *why) MUST_CHECK;
/* NDJSON: a line that is no event is its own dead letter; empty lines are skipped but counted. */
int intake_lines(struct intake *in, struct slice body, const struct intake_tenants *tenants,
		 intake_settled_fn fn, void *arg, struct intake_refusal *why) MUST_CHECK;
/* A wrapped Pub/Sub push; `scratch` lives until fn was called. A wrapper that cannot be read is a
 * dead letter too: the bus must not loop on it. */
void intake_push(struct intake *in, struct slice body, struct arena *scratch, intake_settled_fn fn,
		 void *arg);

#endif
