/*
 * A batch: events and dead letters, already encoded as binary COPY, that one transaction will land.
 * Rows are encoded when they are added, so nothing of a request's body is needed afterwards. While
 * it waits a batch holds one tenant's events; those whose turn it is are put together to land.
 *
 * A batch is OPTIMISTIC (plain COPY into the indexed table) or CAREFUL (through a temporary table,
 * where every row gets its own outcome). Events whose id was seen lately go to a careful one; an
 * optimistic batch that meets a duplicate is landed again, carefully.
 */
#ifndef INGESTD_BATCH_H
#define INGESTD_BATCH_H

#include "common/base/arena.h"
#include "common/base/strbuf.h"
#include "ingestd/door/submission.h"
#include "ingestd/landing/dead_letter.h"
#include "ingestd/landing/shares.h"
#include "ingestd/reading/envelope.h"

/* One event of the batch: whose it is and where its row lies. */
struct batch_item {
	struct submission *owner;
	uint32_t index;      /* in the submission */
	uint32_t delta;      /* which (tenant, domain) it counts for */
	size_t row, row_len; /* its tuple in rows */
	size_t batch_id_at;  /* where the tuple names its batch */
	uint64_t recent;     /* how the set of recent ids knows it */
	const char *control; /* the kind of job that it asks for, a literal; NULL: none */
};

struct batch_dead_item {
	struct submission *owner;
	uint32_t index;
	const char *reason; /* literal */
	char *detail;       /* in the batch's arena */
};

/* Events of one (tenant, domain): a row of analytics_run.delta. */
struct batch_delta {
	struct slice tenant_id, domain; /* in the batch's arena, */
	struct slice key_lo, key_hi;    /* like these: bounds of the events' dedupe keys */
	uint64_t hash;
	int32_t events;
	/* of its events, once they are settled; a dead letter is one of a deleted tenant, dropped
	 */
	int32_t outcomes[OUTCOME_COUNT];
};

/* What a tenant has in this batch of what it holds in the queue. */
struct batch_charge {
	struct share *share;
	struct share_use use;
};

struct batcher;
struct pgconn;

struct batch {
	struct fair_item turn; /* while it waits */
	int64_t batch_id;      /* 0: none yet */
	bool careful;
	bool quiet; /* lands beside the others: the batcher's */
	struct arena *arena;
	struct strbuf rows; /* COPY stream of events; without trailer until it is landed */
	struct batch_item *items;
	size_t nitems, items_cap;
	struct batch_delta *deltas;
	size_t ndeltas, deltas_cap;
	struct strbuf dead; /* COPY stream of dead letters */
	struct batch_dead_item *dead_items;
	size_t ndead, dead_cap;
	/* the batcher's while it waits and lands */
	struct batcher *batcher;
	struct pgconn *conn;
	struct batch *next_landing; /* with a connection */
	struct batch_charge *charges;
	size_t ncharges, charges_cap;
};

struct batch *batch_new(bool careful, size_t bytes_max) MUST_CHECK;
/* Every item must have been settled. */
void batch_free(struct batch *b);
/* Room for as much as `like` has, so that nothing is moved while b grows. */
void batch_reserve(struct batch *b, const struct batch *like);
size_t batch_bytes(const struct batch *b);
bool batch_empty(const struct batch *b);

/* `body` = the exact bytes; `attributes` = the transport's, as JSON, or empty. */
void batch_add_event(struct batch *b, struct submission *owner, uint32_t index,
		     const struct event *ev, struct slice body, struct slice attributes,
		     int64_t received_us);
void batch_add_dead_letter(struct batch *b, struct submission *owner, uint32_t index,
			   const struct dead_letter *d);
void batch_charge(struct batch *b, struct share *share, struct share_use use);
/* Moves everything of the other one, which is freed, to the end of b. */
void batch_absorb(struct batch *b, struct batch *other);
/* Writes the id into every row: before it is landed. */
void batch_assign_id(struct batch *b, int64_t batch_id);

/* The COPY streams, complete with trailers. Borrowed; the rows stay in place for another try. */
struct slice batch_event_stream(struct batch *b);
struct slice batch_dead_stream(struct batch *b);
/* Append the streams of analytics_run.delta, of analytics_run.batch, of analytics_run.control_event
 * (how many there are is returned), and of the events with their ordinal (from 1) in front, for the
 * careful way. */
void batch_delta_stream(const struct batch *b, struct strbuf *out);
void batch_record_stream(const struct batch *b, struct strbuf *out);
size_t batch_control_stream(const struct batch *b, struct strbuf *out);
void batch_suspect_stream(const struct batch *b, struct strbuf *out);

/* Splits off the second half of the events (at least two) into a new batch, for finding a row that
 * Postgres refuses. Dead letters stay with the first. */
struct batch *batch_split(struct batch *b) MUST_CHECK;

/* The only event left is refused by Postgres: it becomes a dead letter of this batch. */
void batch_refuse_only(struct batch *b, const char *why);

/* Ends one event. `code` and `detail` may be NULL. */
void batch_settle_event(struct batch *b, size_t i, enum outcome o, const char *code,
			const char *detail);
/* Each ends the items it speaks of: all events alike, the dead letters, or everything as failed
 * (the callers send again). */
void batch_settle_events(struct batch *b, enum outcome o);
void batch_settle_dead(struct batch *b);
void batch_settle_failed(struct batch *b);

#endif
