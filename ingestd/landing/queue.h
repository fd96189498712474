/*
 * What has come in and has not landed: the request that is being read is on stage; taken, its
 * events wait, each tenant's by themselves, until a batch is made of those whose turn it is. Who is
 * refused is decided by shares.h, whose turn it is by fairqueue.h, which events go the careful way
 * by recent.h, control.h and tombstones.h. The batcher's, which lands the batches.
 */
#ifndef INGESTD_QUEUE_H
#define INGESTD_QUEUE_H

#include "ingestd/config.h"
#include "ingestd/ingest_metrics.h"
#include "ingestd/landing/batch.h"
#include "ingestd/landing/fairqueue.h"
#include "ingestd/landing/shares.h"
#include "ingestd/landing/tombstones.h"

struct recent;

struct queue {
	const struct ingestd_config *conf;
	struct ingest_metrics *metrics;
	struct recent *recent;
	struct tombstones tombstones; /* as far as this process has met them */
	struct shares shares;         /* .held: all that is not settled */
	/* the request that is being read */
	struct fair_item *stage, **stage_tail;
	struct submission_refusal refusal;
	/* what was taken */
	struct fairqueue waiting[SHARE_FLOWS];
	size_t waiting_bytes, quiet_bytes; /* the latter of them, of quiet tenants */
	unsigned turns;                    /* of the lanes */
	struct fair_item *again;           /* halves of a refused batch, to be landed next */
	struct held *held;       /* suspects of requests whose other events have not landed */
	bool careful_lands;      /* a careful batch is out */
	int64_t shared_until_us; /* several tenants are about, */
	int64_t quiet_until_us;  /* and one of them is quiet */
};

void queue_init(struct queue *q, const struct ingestd_config *conf, struct ingest_metrics *metrics);
void queue_clear(struct queue *q); /* nothing waits any more */

bool queue_room(const struct queue *q, size_t bytes); /* for any tenant */
/* The event is added soon: what tells whether it was seen is fetched meanwhile. */
void queue_expect(const struct queue *q, const struct event *ev);
/* On stage; not at all once the request is refused. */
void queue_add_event(struct queue *q, struct submission *owner, uint32_t index,
		     const struct event *ev, struct slice body, struct slice attributes,
		     int64_t received_us);
void queue_add_dead_letter(struct queue *q, struct submission *owner, uint32_t index,
			   const struct dead_letter *d);
/* Ends the request: what is on stage waits for its turn or, when it is refused, has failed. */
void queue_take(struct queue *q, struct submission *owner);
void queue_drop(struct queue *q); /* what is on stage is settled as failed */

bool queue_has_quiet(const struct queue *q); /* now, or a moment ago */
/* The next batch to land, the caller's until queue_done; NULL: nothing waits. It has no id yet. */
struct batch *queue_next(struct queue *q);
/* Likewise, of tenants that have little while others have much; one at a time. */
struct batch *queue_next_quiet(struct queue *q);
void queue_again(struct queue *q, struct batch *batch); /* to be landed before all others */
/* Its items are settled: gives back what its tenants hold with it, and frees it. */
void queue_done(struct queue *q, struct batch *batch);

#endif
