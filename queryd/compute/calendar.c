/* Periods of the Gregorian and the Solar Hijri calendar; see calendar.h. */
#include "queryd/compute/calendar.h"

#include <errno.h>

#include "common/base/timestamp.h"

#define SOLAR_EPOCH_YEAR 1388
#define SOLAR_EPOCH_DAY  14324 /* 1 Farvardin 1388 = 2009-03-21 */
#define SOLAR_CYCLE      33    /* years, 8 of them leap */
#define SOLAR_CYCLE_LEAP 8
#define DAYS_A_YEAR      365

static const char *const granularity_names[GRANULARITY_COUNT] = {
	[GRANULARITY_DAY] = "day",     [GRANULARITY_WEEK] = "week",
	[GRANULARITY_MONTH] = "month", [GRANULARITY_QUARTER] = "quarter",
	[GRANULARITY_YEAR] = "year",
};

const char *granularity_name(enum granularity g)
{
	return granularity_names[g];
}

int granularity_find(const char *name, enum granularity *ret)
{
	for (int g = GRANULARITY_DAY; g < GRANULARITY_COUNT; g++) {
		if (strcmp(granularity_names[g], name) == 0) {
			*ret = (enum granularity)g;
			return 0;
		}
	}
	return -ENOENT;
}

/* ---- Solar Hijri: six months of 31 days, five of 30, the last of 29 or 30 */

static int floor_div(int n, int d)
{
	return n / d - (n % d != 0 && (n < 0) != (d < 0));
}

/* Leap years before `year`. */
static int solar_leaps(int year)
{
	static const int leap[SOLAR_CYCLE_LEAP] = {1, 5, 9, 13, 17, 22, 26, 30};
	int cycle = floor_div(year, SOLAR_CYCLE), n = cycle * SOLAR_CYCLE_LEAP;

	for (size_t i = 0; i < ARRAY_SIZE(leap); i++)
		n += leap[i] < year - cycle * SOLAR_CYCLE;
	return n;
}

static int32_t solar_days(struct civil_date d)
{
	int year = SOLAR_EPOCH_DAY + DAYS_A_YEAR * (d.year - SOLAR_EPOCH_YEAR) +
		   solar_leaps(d.year) - solar_leaps(SOLAR_EPOCH_YEAR);
	int month = d.month <= 7 ? 31 * (d.month - 1) : 186 + 30 * (d.month - 7);

	return year + month + d.day - 1;
}

static struct civil_date solar_civil(int32_t day)
{
	/* never too early: a year has at least DAYS_A_YEAR days */
	struct civil_date d = {SOLAR_EPOCH_YEAR + floor_div(day - SOLAR_EPOCH_DAY, DAYS_A_YEAR) + 1,
			       1, 1};
	int32_t into;

	while (solar_days(d) > day)
		d.year--;
	into = day - solar_days(d);
	d.month = into < 186 ? into / 31 + 1 : (into - 186) / 30 + 7;
	d.day = 1;
	d.day = day - solar_days(d) + 1;
	return d;
}

/* ---- either */

static struct civil_date civil(const struct calendar *c, int32_t day)
{
	return c->solar_hijri ? solar_civil(day) : timestamp_civil(day);
}

static int32_t days(const struct calendar *c, struct civil_date d)
{
	return c->solar_hijri ? solar_days(d) : timestamp_days(d);
}

/* d.month may lie outside of 1 … 12. */
static struct civil_date carry(struct civil_date d)
{
	int years = floor_div(d.month - 1, 12);

	d.year += years;
	d.month -= 12 * years;
	return d;
}

int calendar_months(const struct calendar *c)
{
	static const int months[GRANULARITY_COUNT] = {
		[GRANULARITY_MONTH] = 1, [GRANULARITY_QUARTER] = 3, [GRANULARITY_YEAR] = 12};

	return months[c->granularity];
}

int32_t calendar_floor(const struct calendar *c, int32_t day)
{
	int months = calendar_months(c);
	struct civil_date d;

	if (c->granularity == GRANULARITY_WEEK)
		return day - (timestamp_weekday(day) - c->week_start + 7) % 7;
	if (months == 0)
		return day;
	d = civil(c, day);
	d.month -= (d.month - 1) % months;
	d.day = 1;
	return days(c, d);
}

int32_t calendar_next(const struct calendar *c, int32_t start)
{
	int months = calendar_months(c);
	struct civil_date d;

	if (months == 0)
		return start + (c->granularity == GRANULARITY_WEEK ? 7 : 1);
	d = civil(c, start);
	d.month += months;
	return days(c, carry(d));
}

int32_t calendar_months_before(const struct calendar *c, int32_t day, int months)
{
	struct civil_date d = civil(c, day), first = d, next;
	bool last = civil(c, day + 1).day == 1;
	int length;

	first.day = 1;
	first.month -= months;
	first = carry(first);
	next = first;
	next.month++;
	length = days(c, carry(next)) - days(c, first);
	first.day = last || d.day > length ? length : d.day;
	return days(c, first);
}

int calendar_week_start(unsigned weekend)
{
	for (int d = 1; d <= 7; d++) {
		int next = d % 7 + 1;

		if ((weekend & 1U << d) != 0 && (weekend & 1U << next) == 0)
			return next;
	}
	return MONDAY;
}
