/*
 * The run: acts come off the agenda one by one and do what their row in the table of run.c says.
 * Reservations live in a pool as long as an act still names them.
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "tools/sim/emit.h"

enum act {
	ACT_EMIT,   /* just send the event */
	ACT_DAY,    /* midnight UTC of day a */
	ACT_SEEK,   /* somebody looks for a room: arrival a, channel b */
	ACT_EXPIRE, /* a hold ends */
	ACT_CONFIRM,
	ACT_MODIFY,
	ACT_CHANGE_DATES,
	ACT_CANCEL,
	ACT_REINSTATE,
	ACT_ARRIVE, /* the a-th arrival set */
	ACT_NO_SHOW,
	ACT_STAY_DAY, /* evening of a day in the house */
	ACT_EXTEND,
	ACT_MOVE,
	ACT_DEPART,    /* the a-th departure set */
	ACT_ROOM_OPEN, /* room */
	ACT_ROOM_OUT,  /* what, room type a; b = day it comes back */
	ACT_ROOM_BACK, /* room */
	ACT_INVENTORY, /* room type's first room, day a, total b */
	ACT_COUNT
};

/* Later, unless the run ends before: p's own act, instant and event are overwritten. */
bool run_push(struct sim *s, enum act act, int64_t at_us, struct pending p);
/* The same for an event that nothing else depends on. */
void run_later(struct sim *s, enum subject_id what, int64_t at_us, struct pending p);
/* Now: the event `what` with the rest of p. */
bool run_emit(struct sim *s, enum subject_id what, const struct pending *p);

struct rsv *run_rsv(const struct sim *s, uint32_t index);
/* A new one, zeroed but for index, serial and id; it lives until run_rsv_release, or longer if acts
 * name it. */
struct rsv *run_rsv_new(struct sim *s, uint32_t prop, int64_t at_us);
void run_rsv_release(struct sim *s, struct rsv *r);

/* A pending record that names nothing but the hotel. */
static inline struct pending run_of(const struct property *p)
{
	return (struct pending){.prop = p->index, .rsv = SIM_NONE, .room = SIM_NONE};
}

/* The whole simulation. */
void run(struct sim *s);
void run_free(struct sim *s);

#endif
