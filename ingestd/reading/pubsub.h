/*
 * The body of a wrapped Pub/Sub push (and of each pulled message): the event's bytes out of their
 * base64, and what the transport says beside them. Reads camelCase names, snake_case where these
 * are absent. Judges nothing about the event.
 */
#ifndef INGESTD_PUBSUB_H
#define INGESTD_PUBSUB_H

#include "common/base/arena.h"
#include "ingestd/reading/envelope.h"
#include "ingestd/reading/fault.h"
#include "ingestd/reading/scan.h"

#define PUBSUB_BODY_MAX ((size_t)16 << 20)
#define PUBSUB_PULL_MAX ((size_t)32 << 20) /* the answer of a pull */

/* Lives in the body and the arena. Absent text is empty. */
struct pubsub_message {
	struct slice data;
	struct envelope_transport transport;
	struct slice subscription;
	struct slice ack_id;      /* of a pulled message */
	int64_t delivery_attempt; /* 0: not said */
};

/* Reads a push body, or one element of a pull's receivedMessages. -EINVAL when it is neither: JSON
 * faults, or FAULT_BAD_MESSAGE at a member ("message.data"); then of *ret only the ack_id counts,
 * which is empty if it could not be read either. */
int pubsub_read(struct slice body, struct arena *arena, struct scan_scratch *scratch,
		struct pubsub_message *ret, struct fault *fault) MUST_CHECK;

/* The answer of a pull: the text of its receivedMessages, an array (see scan_array_next), and how
 * many they are. 0: there are none. -EINVAL: it is something else. Only as strict as taking it
 * apart needs, so that one message cannot spoil the others. */
int pubsub_pulled(struct slice body, struct slice *ret_messages, struct fault *fault) MUST_CHECK;

#endif
