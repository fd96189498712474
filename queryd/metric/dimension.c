/* Dimensions; see dimension.h. */
#include "queryd/metric/dimension.h"

#include <errno.h>

static const char *const dimension_names[DIM_COUNT] = {
	[DIM_PROPERTY] = "property_id",   [DIM_ROOM_TYPE] = "room_type_id",
	[DIM_CHANNEL] = "channel",        [DIM_MARKET_SEGMENT] = "market_segment",
	[DIM_RATE_PLAN] = "rate_plan_id", [DIM_METHOD] = "method",
	[DIM_CAPABILITY] = "capability",  [DIM_META_SOURCE] = "meta_source",
	[DIM_CURRENCY] = "currency",
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
