/*
 * What results can be grouped and filtered by. The order is that of the columns which every source
 * statement returns after the period; `currency` is added by the service, never asked for.
 */
#ifndef QUERYD_METRIC_DIMENSION_H
#define QUERYD_METRIC_DIMENSION_H

#include "common/base/base.h"

enum dimension {
	DIM_PROPERTY,
	DIM_ROOM_TYPE,
	DIM_CHANNEL,
	DIM_MARKET_SEGMENT,
	DIM_RATE_PLAN,
	DIM_METHOD,
	DIM_CAPABILITY,
	DIM_META_SOURCE,
	DIM_CURRENCY,
	DIM_COUNT,
};

#define DIM_FILTERS DIM_CURRENCY /* those before it can be filtered by */
#define DIM_BIT(d)  (1U << (d))

const char *dimension_name(enum dimension d);
/* -ENOENT when there is none of that name that may be asked for. */
int dimension_find(const char *name, enum dimension *ret) MUST_CHECK;

#endif
