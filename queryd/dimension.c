/* Dimensions and periods; see dimension.h. */
#include "queryd/dimension.h"

#include <errno.h>

#include "common/timestamp.h"

static const char *const dimension_names[DIM_COUNT] = {
	[DIM_PROPERTY] = "property_id",   [DIM_ROOM_TYPE] = "room_type_id",
	[DIM_CHANNEL] = "channel",        [DIM_MARKET_SEGMENT] = "market_segment",
	[DIM_RATE_PLAN] = "rate_plan_id", [DIM_METHOD] = "method",
	[DIM_CAPABILITY] = "capability",  [DIM_META_SOURCE] = "meta_source",
	[DIM_CURRENCY] = "currency",
};

static const char *const granularity_names[GRANULARITY_COUNT] = {
	[GRANULARITY_DAY] = "day",     [GRANULARITY_WEEK] = "week",
	[GRANULARITY_MONTH] = "month", [GRANULARITY_QUARTER] = "quarter",
	[GRANULARITY_YEAR] = "year",
};

const char *dimension_name(enum dimension d)
{
	return dimension_names[d];
}

int dimension_find(const char *name, enum dimension *ret)
{
	for (int d = 0; d < DIM_FILTERS; d++) {
		if (strcmp(dimension_names[d], name) == 0) {
			*ret = (enum dimension)d;
			return 0;
		}
	}
	return -ENOENT;
}

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

int32_t granularity_floor(enum granularity g, int32_t day)
{
	struct civil_date d = timestamp_civil(day);

	if (g == GRANULARITY_WEEK)
		return day - (timestamp_weekday(day) - 1);
	if (g == GRANULARITY_NONE || g == GRANULARITY_DAY)
		return day;
	d.day = 1;
	if (g == GRANULARITY_QUARTER)
		d.month -= (d.month - 1) % 3;
	else if (g == GRANULARITY_YEAR)
		d.month = 1;
	return timestamp_days(d);
}

int32_t granularity_next(enum granularity g, int32_t start)
{
	static const int months[GRANULARITY_COUNT] = {
		[GRANULARITY_MONTH] = 1, [GRANULARITY_QUARTER] = 3, [GRANULARITY_YEAR] = 12};
	struct civil_date d = timestamp_civil(start);

	if (months[g] == 0)
		return start + (g == GRANULARITY_WEEK ? 7 : 1);
	d.month += months[g];
	d.year += (d.month - 1) / 12;
	d.month = (d.month - 1) % 12 + 1;
	return timestamp_days(d);
}
