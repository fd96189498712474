/*
 * What is still to happen, in order: an agenda of small records sorted by instant, ties by the
 * order in which they were made. Records wait in buckets of a quarter of an hour; the bucket that
 * time has reached becomes a heap. So memory follows what is pending, not what has been.
 */
#ifndef SIM_SCHED_H
#define SIM_SCHED_H

#include "common/base/base.h"

#define SCHED_NONE UINT32_MAX

struct pending {
	int64_t at_us;
	uint64_t seq;  /* set by sched_push */
	uint16_t act;  /* what to do: enum act */
	uint16_t what; /* ACT_EMIT: enum subject_id */
	uint32_t prop;
	uint32_t rsv;  /* or SCHED_NONE */
	uint32_t room; /* or SCHED_NONE */
	uint32_t a;    /* meaning depends on act and subject */
	int64_t b;
	uint32_t next; /* of the bucket or the free list */
};

struct sched;

/* Instants in [from_us, to_us); what is pushed later than that is refused. */
struct sched *sched_new(int64_t from_us, int64_t to_us) MUST_CHECK;
void sched_free(struct sched *s);
/* False: beyond the end, nothing kept. An instant before the current one counts as the current. */
bool sched_push(struct sched *s, const struct pending *p);
bool sched_pop(struct sched *s, struct pending *ret) MUST_CHECK; /* false: nothing left */

#endif
