/*
 * What to do next: the tasks of the last look at the queue, in the order in which they get a
 * worker. Pure: no clock, no database; the scheduler brings both.
 *
 * hot before cold before backfill. Within one urgency those go first that were not served for the
 * longest, so that a backlog in one shard costs the others a turn and not their freshness (within a
 * shard take_delta.sql gives the tenants turns). Backfill is owed a share of the workers' time, a
 * tenth by default, and goes first while that is not paid; beyond it, it gets what nobody else
 * wants, but never the last free worker when `portions_max` says so, and not before it has paused.
 *
 * A task that failed or was taken by another process rests, longer each time, with jitter.
 */
#ifndef ETLD_AGENDA_H
#define ETLD_AGENDA_H

#include "common/base/base.h"

struct consumer;
struct agenda;

/* The numbers of list_due.sql. */
enum urgency { URGENCY_HOT, URGENCY_COLD, URGENCY_BACKFILL, URGENCY_COUNT };

#define TASK_SHARDS 64 /* at most; see analytics_run.shard_of */

struct task {
	const struct consumer *consumer;
	uint64_t shards; /* one bit each */
	bool portions; /* of rows that stand for many keys; else the stream, maybe of several shards
			*/
};

/* Their numbers with commas, for people; returns `out`. */
#define TASK_SHARDS_LEN (3 * TASK_SHARDS)
const char *task_shards(struct task t, char out[TASK_SHARDS_LEN]);

enum rest_reason {
	REST_TAKEN,  /* by another process: it will be done soon */
	REST_FAILED, /* may well fail again */
};

/* Events of a task of several shards: most of the work of a small one is the same for any number.
 */
#define TASK_FEW 100

/* Of so many failures in a row one-shots say that it is no use, and others are told. */
#define AGENDA_HOPELESS 5

struct agenda_options {
	int together;     /* shards of a task, at most */
	int portions_max; /* at the same time */
	int share;        /* per cent of the time, while others wait */
	int64_t pause_ms; /* from one portion to the next */
};

struct agenda *agenda_new(const struct agenda_options *o) MUST_CHECK;
void agenda_free(struct agenda *a); /* NULL is fine */

/* A new look: forgets the tasks, not who was served and who rests. */
void agenda_clear(struct agenda *a);
/* One shard of a consumer, with about so many events; in the order of their age. What does not fit
 * (AGENDA_TASKS_MAX) waits for the next look. */
void agenda_add(struct agenda *a, struct task t, enum urgency u, int64_t events);
size_t agenda_count(const struct agenda *a); /* added since the last clear, given out or not */
/* Is everything that was added resting after many failures? */
bool agenda_hopeless(const struct agenda *a);

/* Gives out the next task that may run beside `running`: not in their shards, not resting. When it
 * is small, others of its consumer that are small are part of it. */
bool agenda_next(struct agenda *a, const struct task *running, size_t nrunning, int64_t now_ms,
		 struct task *ret);
/* A task has used a worker for so long, until now. */
void agenda_spent(struct agenda *a, struct task t, int64_t us, int64_t now_ms);

/* Lets t rest; returns for how many milliseconds, at least. `random` as for backoff_next_ms. */
int64_t agenda_rest(struct agenda *a, struct task t, enum rest_reason why, int64_t now_ms,
		    uint32_t random);
/* How often t has failed in a row; of several shards the least. */
int agenda_failures(const struct agenda *a, struct task t);
void agenda_rested(struct agenda *a, struct task t); /* it went well */

#endif
