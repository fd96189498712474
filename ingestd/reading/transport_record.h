/*
 * What a transport said, as JSON text that is kept beside an event or a dead letter, so that a
 * replay reads the same event as the first time: the attributes (also a column of raw) and, for
 * dead letters only, the message's other members, which an event may take its id, time or ordering
 * key from.
 */
#ifndef INGESTD_TRANSPORT_RECORD_H
#define INGESTD_TRANSPORT_RECORD_H

#include "common/base/arena.h"
#include "ingestd/reading/envelope.h"

/* In the arena; empty when there is nothing to keep. */
struct slice transport_attributes(const struct envelope_transport *t, struct arena *a);
struct slice transport_message(const struct envelope_transport *t, struct arena *a);

/* The reverse, for texts that the two above wrote; either may be empty. Lives in the arena. */
struct envelope_transport transport_restore(struct slice attributes, struct slice message,
					    struct arena *a);

#endif
