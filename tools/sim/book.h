/*
 * Reservations until the guest arrives: demand, quotes and holds, confirmation, changes,
 * cancellation, reinstatement. The functions that take a pending record are acts (run.h).
 */
#ifndef SIM_BOOK_H
#define SIM_BOOK_H

#include "tools/sim/run.h"

/* Makes the hotel's demand fit the options and brings in the first weeks' guests. */
void book_start(struct sim *s, struct property *p);
/* Those who will want to arrive on `day` decide when they look for a room. */
void book_generate(struct sim *s, const struct property *p, int32_t day);

void book_seek(struct sim *s, struct pending *p);
void book_expire(struct sim *s, struct pending *p);
void book_confirm(struct sim *s, struct pending *p);
void book_modify(struct sim *s, struct pending *p);
void book_change_dates(struct sim *s, struct pending *p);
void book_cancel(struct sim *s, struct pending *p);
void book_reinstate(struct sim *s, struct pending *p);

/* Shared with stay.c. */

/* The next event of r happens at p->at_us? An event of the same reservation in the same millisecond
 * would have no order: then p is put off by one, and false. */
bool book_due(struct sim *s, struct pending *p, struct rsv *r);
/* The nights that r occupies from `from` on are taken (sign 1) or given back (-1). */
void book_nights(struct sim *s, const struct rsv *r, int32_t from, int sign);
/* After the change of r: the event, and the plan hears of it. */
void book_tell(struct sim *s, struct rsv *r, enum subject_id what, const struct pending *p);
bool book_is_paid(const struct rsv *r); /* neither complimentary nor house use */

#endif
