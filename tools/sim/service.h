/*
 * What follows a reservation around: money, folio, keys, housekeeping, messages. Nothing in it
 * decides about a stay, and the plan does not look at it. p is the pending record of what happened:
 * instant, hotel, reservation.
 */
#ifndef SIM_SERVICE_H
#define SIM_SERVICE_H

#include "tools/sim/run.h"

void service_confirmed(struct sim *s, struct rsv *r, struct pending p);
void service_cancelled(struct sim *s, struct rsv *r, struct pending p);
void service_no_show(struct sim *s, struct rsv *r, struct pending p, int64_t cents);
void service_day(struct sim *s, struct rsv *r, struct pending p, int32_t today);
void service_checked_out(struct sim *s, struct rsv *r, struct pending p);
/* A key for the item's room, which it has just got. */
void service_key(struct sim *s, struct item *it, struct pending p);
/* A housekeeping task from its creation to its end; p->rsv may be SIM_NONE. */
void service_clean(struct sim *s, enum subject_id created, uint32_t room,
		   const struct pending *from);

#endif
