/*
 * Lands one batch: all of its events, deltas and dead letters in one transaction, then (and only
 * then) settles its items. The fast way is one COPY into the indexed table; a duplicate among the
 * rows sends the batch through a temporary table, where the index decides row by row. So does an
 * event of a deleted tenant, which is dropped there.
 *
 * A connection lost in the middle leaves the outcome unknown: the items are settled as failed, the
 * callers send again, and whatever was committed comes back as a duplicate.
 */
#ifndef INGESTD_LANDING_H
#define INGESTD_LANDING_H

#include "common/pg/pgconn.h"
#include "ingestd/landing/batch.h"

enum landing_end {
	LANDING_DONE,    /* committed, every item settled */
	LANDING_FAILED,  /* rolled back or unknown, every item settled as failed */
	LANDING_REFUSED, /* Postgres refuses some row: nothing settled, split the batch and try
			    again */
};

struct landing_report {
	enum landing_end end;
	bool careful; /* the careful way was taken */
	size_t accepted, duplicates, conflicts, dead_letters;
	size_t dropped; /* their tenant is deleted */
	int64_t elapsed_us;
	const struct err *err; /* with FAILED and REFUSED */
};

typedef void (*landing_fn)(void *arg, struct batch *b, const struct landing_report *r);

/* `c` and `b` stay the caller's; fn once, never from inside. */
void landing_start(struct pgconn *c, struct batch *b, int64_t timeout_ms, landing_fn fn, void *arg);

#endif
