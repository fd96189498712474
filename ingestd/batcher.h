/*
 * Group commit. Doors add events; whatever gathered while the connections were busy becomes the
 * next batch of an idle one: no timer, no linger, and under load batches grow by themselves.
 * Bounded by queue_bytes: a full queue refuses (429) instead of growing.
 */
#ifndef INGESTD_BATCHER_H
#define INGESTD_BATCHER_H

#include "common/daemon.h"
#include "common/pgpool.h"
#include "ingestd/batch.h"
#include "ingestd/config.h"

struct batcher;
struct zsock;

struct batcher_options {
	const struct ingestd_config *conf;
	struct zsock *hints; /* told after each commit; may be NULL */
};

struct batcher *batcher_new(struct daemon *d, struct pgpool *warehouse,
			    const struct batcher_options *o) MUST_CHECK;
void batcher_start(struct batcher *b); /* the schema is right: reserve ids, open the door */
void batcher_free(struct batcher *b); /* what waits is settled as failed; after the pool is freed */

enum batcher_door {
	BATCHER_OPEN,
	BATCHER_FULL,        /* 429: the queue is at its limit */
	BATCHER_UNAVAILABLE, /* 503: the warehouse is away */
};
/* May `bytes` more come in? Asked once per request, before anything of it is added. */
enum batcher_door batcher_door(const struct batcher *b, size_t bytes);

void batcher_add_event(struct batcher *b, struct submission *owner, uint32_t index,
		       const struct event *ev, struct slice body, struct slice attributes,
		       int64_t received_us);
void batcher_add_dead_letter(struct batcher *b, struct submission *owner, uint32_t index,
			     const struct dead_letter *d);
/* Call after a request's items were added: lands them in this loop turn if a connection is idle. */
void batcher_kick(struct batcher *b);
void batcher_stop(struct batcher *b); /* lands nothing more; before the pool is freed */
/* on_idle once when nothing waits and nothing is in flight. */
void batcher_drain(struct batcher *b, void (*on_idle)(void *arg), void *arg);

#endif
