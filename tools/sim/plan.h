/*
 * The figures that a correct pipeline must get from what was sent, by the definitions of the
 * metrics; kept while the world runs, from the simulator's own knowledge. Told only about events
 * that were sent, so that they hold for a part of the world too. Repeats, conflicting copies and
 * broken lines never come here: they must change nothing.
 *
 *	sold night    item of a sold kind, night before the departure, reservation confirmed, in
 *	              house or departed
 *	available     rooms that exist (or the date's inventory total) less closed ones and those
 *	              in permanent house use; rooms that are out of order for a short time stay in
 *	stay          reservation with a night, checked out, whose departure lies in the window
 */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "common/base/err.h"
#include "common/base/strbuf.h"
#include "tools/sim/sim.h"

/* The pipeline now knows r as it is; plan_forget before r changes again. */
void plan_count(struct sim *s, struct rsv *r);
void plan_forget(struct sim *s, struct rsv *r); /* no-op when r is not counted */

void plan_room_created(struct sim *s, const struct room *r);
/* n rooms more (n < 0: fewer) are closed or in permanent house use in [from, to) */
void plan_close(struct sim *s, struct property *p, int32_t from, int32_t to, int n);
void plan_total(struct sim *s, struct property *p, unsigned type, int32_t day, int64_t total);

void plan_write(const struct sim *s, struct strbuf *out); /* JSON */
int plan_write_file(const struct sim *s, const char *path, struct err *e) MUST_CHECK;
void plan_summary(const struct sim *s, FILE *f);

#endif
