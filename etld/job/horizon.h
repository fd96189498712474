/*
 * How far ahead fact_inventory_day goes: to the end of the second year after a stored one. Nothing
 * of it is now(), so that rebuilding gives the same rows tomorrow; once a year a job (the janitor
 * asks for it) raises the stored year, and with it the rooms of every tenant are touched.
 */
#ifndef ETLD_HORIZON_H
#define ETLD_HORIZON_H

#include "etld/job/errand.h"

extern const struct errand_kind errand_horizon;

#endif
