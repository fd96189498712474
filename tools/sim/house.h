/*
 * Which nights and rooms of a hotel are still free. A booking takes nights of a room type; a guest
 * who arrives takes a room. Rooms out of order take both. As nobody gets a room before arrival, and
 * all leave before anybody comes, nights that are free mean that a room is free.
 */
#ifndef SIM_HOUSE_H
#define SIM_HOUSE_H

#include "tools/sim/sim.h"

/* n more rooms of the type on each night in [from, to)? */
bool house_fits(const struct sim *s, const struct property *p, unsigned type, int32_t from,
		int32_t to, int n);
/* n rooms of the type are gone on each night in [from, to); n < 0 gives them back. */
void house_book(struct sim *s, struct property *p, unsigned type, int32_t from, int32_t to, int n);
/* A room that nobody is in, or SIM_NONE (possible only when overbooked). */
uint32_t house_take_room(struct sim *s, struct property *p, unsigned type);
void house_give_room(struct sim *s, uint32_t room); /* SIM_NONE is fine */

#endif
