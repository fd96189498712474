/*
 * An event whose envelope came as HTTP header fields beside a body that is the data or the event:
 *
 *	CloudEvents, binary mode	ce-id, ce-type, ce-…		percent-encoded values
 *	Pub/Sub push, unwrapped		x-goog-pubsub-message-id, …	and attributes by their own
 *names
 *
 * Field names have no case, attributes have: those that a rule looks at get its spelling, of the
 * others only ce-* are kept, in lower case. Everything else is between proxies and not ours to
 *keep.
 */
#ifndef INGESTD_HEADERS_H
#define INGESTD_HEADERS_H

#include "common/base/arena.h"
#include "ingestd/reading/envelope.h"

#define HEADERS_MAX 64 /* attributes of one request */

struct headers {
	struct arena *arena; /* set by the caller, the rest zeroed; holds what is kept */
	struct envelope_attribute attributes[HEADERS_MAX];
	size_t nattributes;
	struct slice message_id, publish_time, ordering_key; /* of an unwrapped push */
	struct fault fault;                                  /* the first */
};

/* One header field; `arg` is the struct headers. */
void headers_take(void *arg, const char *name, const char *value);
/* After the last one. -EINVAL: one that may be there once is there twice, a value of ce-* is not
 * percent-encoded UTF-8, or there are too many. */
int headers_end(struct headers *h, struct envelope_transport *ret, struct fault *fault) MUST_CHECK;

#endif
