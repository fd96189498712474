/*
 * The rooms themselves: opened, out of order for days, closed for a season, in permanent house use,
 * and what inventory-service says about single dates. The functions with a pending record are acts.
 */
#ifndef SIM_UPKEEP_H
#define SIM_UPKEEP_H

#include "tools/sim/run.h"

void upkeep_start(struct sim *s, struct property *p);
void upkeep_day(struct sim *s, struct property *p, int32_t day);

void upkeep_open(struct sim *s, struct pending *p);
void upkeep_out(struct sim *s, struct pending *p);
void upkeep_back(struct sim *s, struct pending *p);
void upkeep_inventory(struct sim *s, struct pending *p);

#endif
