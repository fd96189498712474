/*
 * Group commit. What a request brings is put on stage, then taken into the queue or refused as a
 * whole; whatever waits when a connection is idle becomes its next batch: no timer, no linger, and
 * under load batches grow by themselves.
 *
 * Tenants take turns (fairqueue.h): while only one has sent anything lately, a batch is as large as
 * it may be; else it is one turn of each, so that nobody waits for the backlog of another. The
 * queue is bounded in bytes and in events, and each tenant in what it may hold of it and send in a
 * second (shares.h): a full queue refuses those who fill it.
 */
#ifndef INGESTD_BATCHER_H
#define INGESTD_BATCHER_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"
#include "ingestd/config.h"
#include "ingestd/landing/batch.h"

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
	BATCHER_FULL,        /* 429: the queue has no room for anybody */
	BATCHER_UNAVAILABLE, /* 503: the warehouse is away */
};
/* Is it worth reading a request of so many bytes? Asked before anything of it is added; whether its
 * tenants have room shows when it is read. */
enum batcher_door batcher_door(const struct batcher *b, size_t bytes);
/* Said as soon as the event is known, some work before it is added: see recent.h. */
void batcher_expect(const struct batcher *b, const struct event *ev);
/* These put on stage. A tenant that has no room left has the whole request refused: then nothing
 * more needs to be read for it (submission.refusal). */
void batcher_add_event(struct batcher *b, struct submission *owner, uint32_t index,
		       const struct event *ev, struct slice body, struct slice attributes,
		       int64_t received_us);
void batcher_add_dead_letter(struct batcher *b, struct submission *owner, uint32_t index,
			     const struct dead_letter *d);
/* Ends a request, before its submission is sealed: what is on stage waits for its turn, or, when it
 * is refused, has failed. Lands in this loop turn if a connection is idle. */
void batcher_take(struct batcher *b, struct submission *owner);
/* Or nothing of it is wanted: its items are settled as failed. */
void batcher_drop(struct batcher *b);
/* Between the events of a large body: lets the landings under way go on meanwhile. Those that end
 * are settled, and the next begin: callbacks of other submissions come from inside the call. */
void batcher_breathe(struct batcher *b);
void batcher_kick(struct batcher *b); /* the warehouse is back: land what waits */
void batcher_stop(struct batcher *b); /* lands nothing more; before the pool is freed */
/* on_idle once when nothing waits and nothing is in flight. */
void batcher_drain(struct batcher *b, void (*on_idle)(void *arg), void *arg);

#endif
