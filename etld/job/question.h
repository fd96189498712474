/*
 * Errands that are one statement, asked again until it says that the job is done. Asked twice it
 * does no more than once, so another attempt just goes on.
 *
 * forecast: what ai.forecast.produced asks for, that every point of it has arrived, as a row of
 * fact_demand_forecast or in the quarantine with its reason. The stream writes them; the job waits
 * for that, has a vintage of which a point is missing built again, and fails with the reason where
 * the event or its vintage was set aside. So a forecast is known to have been taken by its job.
 *
 * horizon: how far ahead fact_inventory_day goes, to the end of the second year after a stored one.
 * Nothing of it is now(), so that rebuilding gives the same rows tomorrow; once a year a job (the
 * janitor asks for it) raises the stored year, and with it the rooms of every tenant are touched.
 */
#ifndef ETLD_QUESTION_H
#define ETLD_QUESTION_H

#include "etld/job/errand.h"

extern const struct errand_kind errand_forecast, errand_horizon;

#endif
