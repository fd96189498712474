/* Guests in the house: arrival, days, room moves, extensions, departure, no-shows. All are acts. */
#ifndef SIM_STAY_H
#define SIM_STAY_H

#include "tools/sim/run.h"

void stay_arrive(struct sim *s, struct pending *p);
void stay_no_show(struct sim *s, struct pending *p);
void stay_day(struct sim *s, struct pending *p);
void stay_extend(struct sim *s, struct pending *p);
void stay_move(struct sim *s, struct pending *p);
void stay_depart(struct sim *s, struct pending *p);

#endif
