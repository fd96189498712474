/*
 * Takes bodies apart: each event is read by the rules (envelope.c) and goes to the batcher, or
 * becomes a dead letter with the place of its fault. What is refused as a whole (an array that is
 * not JSON, a tenant the caller may not send for) is refused before anything of it is kept.
 */
#ifndef INGESTD_INTAKE_H
#define INGESTD_INTAKE_H

#include "ingestd/door/callers.h"
#include "ingestd/landing/batcher.h"
#include "ingestd/landing/shapes.h"
#include "ingestd/reading/headers.h"

struct intake;

struct intake_refusal {
	bool forbidden; /* 403, else 400 */
	char detail[256];
};

typedef void (*intake_settled_fn)(void *arg, const struct submission *s);

/* `shapes` is told about each event that will land. */
struct intake *intake_new(struct batcher *batcher, struct shapes *shapes,
			  const struct ingestd_config *conf) MUST_CHECK;
void intake_free(struct intake *in);

enum batcher_door intake_door(const struct intake *in, size_t bytes);

/* One JSON event or an array of them. 0: `fn` is called once all are settled (at once when there is
 * nothing to land);
 * -EINVAL: nothing was kept, `why` says where the fault is. */
int intake_json(struct intake *in, struct slice body, const struct caller_tenants *tenants,
		intake_settled_fn fn, void *arg, struct intake_refusal *why) MUST_CHECK;
/* NDJSON: a line that is no event is its own dead letter; empty lines are skipped but counted. */
int intake_lines(struct intake *in, struct slice body, const struct caller_tenants *tenants,
		 intake_settled_fn fn, void *arg, struct intake_refusal *why) MUST_CHECK;
/* One event, or its data, with what the transport says about it. */
int intake_event(struct intake *in, struct slice text, const struct envelope_transport *transport,
		 struct arena *scratch, const struct caller_tenants *tenants, intake_settled_fn fn,
		 void *arg, struct intake_refusal *why) MUST_CHECK;
/* A message of the ZeroMQ door, which names no media type: an event, an array of events or NDJSON.
 */
int intake_message(struct intake *in, struct slice body, const struct caller_tenants *tenants,
		   intake_settled_fn fn, void *arg, struct intake_refusal *why) MUST_CHECK;
/*
 * A Pub/Sub push, wrapped, or unwrapped: then the body is the event and `headers` (of the request)
 * hold the rest. Unwrapped is what has Pub/Sub's metadata in its header, or is an event as it
 * stands. `scratch` lives until fn was called. What cannot be read is a dead letter too: the bus
 * must not loop on it.
 */
void intake_push(struct intake *in, struct slice body, struct headers *headers,
		 struct arena *scratch, intake_settled_fn fn, void *arg);
/* The answer of a pull: the messages of `body` as one submission, in order. `ack_ids` gets the ids
 * (in the arena) to acknowledge when it is settled, its length is returned; -EINVAL: not an answer
 * of a pull, fn is not called. 0 messages: fn is not called either. */
int intake_pulled(struct intake *in, struct slice body, struct arena *arena, struct slice **ack_ids,
		  intake_settled_fn fn, void *arg, struct fault *fault) MUST_CHECK;

#endif
