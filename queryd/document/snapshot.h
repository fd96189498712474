/*
 * Results that are kept as they were: a run of a saved query with `snapshot: true` stores its
 * answer, with its hash and the versions of the data, before it is sent. It is returned byte for
 * byte for 30 days, to the user who asked for it while he sees the same properties; to others it is
 * not there.
 */
#ifndef QUERYD_DOCUMENT_SNAPSHOT_H
#define QUERYD_DOCUMENT_SNAPSHOT_H

#include "queryd/access.h"
#include "queryd/compute/answer.h"

/* Where an answer is to be kept; in the request's arena. */
struct snapshot_order {
	struct call call; /* kept (caller.h) */
	const char *query_id;
};

struct snapshot_order *snapshot_order(const struct call *c, const char *query_id) MUST_CHECK;
/* Stores the answer and ends the request with it: 200, its place in Location. From here on nobody
 * is told when the client leaves. The answer is not needed after the call. */
void snapshot_send(const struct snapshot_order *o, const struct answer *a);

void snapshot_show(const struct call *c); /* GET …/snapshots/{id} */

#endif
