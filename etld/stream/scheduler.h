/*
 * Runs units of work on a few connections, in the order of the agenda.
 *
 * The queue is in Postgres (deltas and touched keys); this keeps only what it learned at the last
 * look. It looks when a hint arrives, when a unit ends, and every poll_interval, so that a lost
 * hint costs a second and never an event. What another process works on is left to it.
 */
#ifndef ETLD_SCHEDULER_H
#define ETLD_SCHEDULER_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"
#include "etld/stream/publish.h"
#include "etld/stream/unit.h"

struct scheduler;

struct scheduler_options {
	int workers;
	int64_t poll_ms;
	int backfill_share; /* see agenda_options */
	int64_t backfill_pause_ms;
	struct unit_options unit;
	/* One-shot runs: only these shards (shard % task_count == task_index) and, when there are
	 * any, only these consumers (borrowed). */
	int task_index, task_count;
	const struct consumer *const *only;
	size_t nonly;
	/* Not NULL: a one-shot. Called when nothing runs and nothing is due (done), or what is due
	 * keeps failing, or the queue cannot be read. */
	void (*on_idle)(void *arg, bool done);
	/* Told after each unit that was applied; may be NULL. */
	void (*on_applied)(void *arg, const struct unit_report *r);
	void *arg;
};

struct scheduler *scheduler_new(struct daemon *d, struct pgpool *warehouse,
				struct publisher *publisher,
				const struct scheduler_options *o) MUST_CHECK;
/* The pool is freed before: running units have ended then. */
void scheduler_free(struct scheduler *s);
void scheduler_wake(struct scheduler *s); /* something may be due: look now */
/* Starts no more units; on_done (may be NULL) once when none runs. */
void scheduler_drain(struct scheduler *s, void (*on_done)(void *arg), void *arg);

#endif
