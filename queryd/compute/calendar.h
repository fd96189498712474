/*
 * The periods of a time series: pure arithmetic on days, so that SQL only needs their first days.
 *
 * Months, quarters and years are Gregorian or, on request, Solar Hijri (the 33-year rule, as
 * dim_calendar). Weeks are ISO weeks unless the tenant's weekend says otherwise: then one begins on
 * the day after it.
 */
#ifndef QUERYD_COMPUTE_CALENDAR_H
#define QUERYD_COMPUTE_CALENDAR_H

#include "common/base/base.h"

enum granularity {
	GRANULARITY_NONE, /* the window is one period */
	GRANULARITY_DAY,
	GRANULARITY_WEEK,
	GRANULARITY_MONTH,
	GRANULARITY_QUARTER,
	GRANULARITY_YEAR,
	GRANULARITY_COUNT,
};

#define MONDAY 1 /* ISO */

struct calendar {
	enum granularity granularity;
	bool solar_hijri;
	int week_start; /* ISO weekday, 1 = Monday */
};

const char *granularity_name(enum granularity g); /* NULL for NONE */
int granularity_find(const char *name, enum granularity *ret) MUST_CHECK;

/* First day of the period that `day` lies in; and of the period after the one that begins at
 * `start`. */
int32_t calendar_floor(const struct calendar *c, int32_t day);
int32_t calendar_next(const struct calendar *c, int32_t start);
/* Months in a period; 0 for days, weeks and the window as one. */
int calendar_months(const struct calendar *c);
/* The same day of the month `months` before; the last day of a month becomes the last of that one,
 * so that whole months stay whole. */
int32_t calendar_months_before(const struct calendar *c, int32_t day, int months);
/* Where weeks begin when these ISO weekdays are the weekend (bit 1 << weekday); 0: Monday. */
int calendar_week_start(unsigned weekend);

#endif
