/*
 * What ai.forecast.produced asks for: that every point of it has arrived, as a row of
 * fact_demand_forecast or in the quarantine with its reason. The stream writes them; the job waits
 * for that, has a vintage of which a point is missing built again, and fails with the reason where
 * the event or its vintage was set aside. So a forecast is known to have been taken by its job.
 */
#ifndef ETLD_FORECAST_H
#define ETLD_FORECAST_H

#include "etld/job/errand.h"

extern const struct errand_kind errand_forecast;

#endif
