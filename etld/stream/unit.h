/*
 * A unit of work: one transaction that takes a bounded part of what is queued for a consumer in one
 * shard or, of each a little, in several, appends the events to the consumer's event table,
 * rebuilds every projection of the touched keys and records what happened (data versions,
 * watermarks, dirty profile cells, outbox). It takes either from the stream (deltas, single keys)
 * or a portion of a row that stands for many keys, so that a backfill never makes an event wait for
 * more than one portion. A portion may also be of batches that are to be read again: their typed
 * rows go first, in the same transaction.
 *
 * Under the advisory lock of each (consumer, shard), taken in a statement before the ones that
 * read, so that of two workers with one key the later always reads what the earlier wrote. A key
 * whose rebuild fails is found by halving, set aside in failed_keys, and the rest commits.
 */
#ifndef ETLD_UNIT_H
#define ETLD_UNIT_H

#include "common/pg/pgconn.h"
#include "etld/stream/agenda.h"
#include "etld/stream/consumers.h"

struct event_base;
struct unit;

enum unit_outcome {
	UNIT_DONE,  /* committed */
	UNIT_EMPTY, /* nothing was due (any more) */
	UNIT_TAKEN, /* another worker has the shards */
	UNIT_RETRY, /* rolled back; try again later (err says why) */
	UNIT_LOST,  /* the connection died: committed or not, the queue knows */
};

/* A table whose rows changed for a tenant; borrowed during the callback. */
struct unit_version {
	const char *tenant_id, *table_name;
	int64_t data_version;
};

struct unit_report {
	enum unit_outcome outcome;
	struct task task;
	int64_t events, keys, failed_keys, rejected, upserted, deleted, elapsed_us;
	const struct unit_version *versions;
	size_t nversions;
	const struct err *err; /* with UNIT_RETRY and UNIT_LOST */
};

typedef void (*unit_fn)(void *arg, const struct unit_report *report);

struct unit_options {
	int64_t max_events, timeout_ms;
	const char *guest_key_seed; /* NULL: random guest keys */
	const char *tenant_id;      /* NULL: of every tenant */
};

/* Runs on `c`, which the caller owns and keeps until fn was called (once, never from inside). */
struct unit *unit_start(struct pgconn *c, struct task task, const struct unit_options *o,
			unit_fn fn, void *arg) MUST_CHECK;
/* Only after pgconn_close, or once fn was called. */
void unit_free(struct unit *u);

#endif
