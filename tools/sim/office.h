/*
 * Everything that goes on beside guests and rooms: the opening of a hotel, staff, logins, prices,
 * dashboards, forecasts, and those who look at hotels and do not book.
 */
#ifndef SIM_OFFICE_H
#define SIM_OFFICE_H

#include "tools/sim/run.h"

void office_open(struct sim *s, struct property *p);
void office_day(struct sim *s, struct property *p, int32_t day);

#endif
