/*
 * What the simulated world is made of, as const tables: countries with their seasons and weekends,
 * cities, room types, sales channels, market segments. Shares are per mille unless a name says
 * otherwise. Nothing here depends on a seed.
 */
#ifndef SIM_CATALOG_H
#define SIM_CATALOG_H

#include "common/base/base.h"

enum { CATALOG_ROOM_TYPES = 4, CATALOG_RATE_PLANS = 3 };

enum method { METHOD_CASH, METHOD_CARD, METHOD_PAYPAL, METHOD_MFS, METHOD_COUNT };

struct method_info {
	const char *name, *vendor;
};
extern const struct method_info catalog_methods[METHOD_COUNT];

struct country {
	const char *code, *timezone, *locale;
	int offset_minutes; /* standard time, east of UTC */
	bool eu_summer_time;
	const char *residency[2]; /* as metadata.dataResidency, and as tenant-service says it */
	const char *weekend;      /* ISO days, JSON */
	uint8_t weekday_pct[7];   /* demand and rate of the night that starts on Monday … */
	uint8_t season_pct[12];   /* the same by month */
	uint16_t methods[METHOD_COUNT]; /* weights */
};

struct currency {
	const char *code;
	int64_t per_usd_micro;
	int64_t standard_rate; /* of a usual double room, in hundredths of the unit */
	int64_t rounding;      /* rates are multiples of it */
};

struct place {
	const char *city, *name, *local_name;
	const struct country *country;
	const struct currency *currency;
	uint8_t level_pct; /* rates against the standard */
};
extern const struct place catalog_places[];
extern const size_t catalog_place_count;
extern const struct currency catalog_currencies[];
extern const size_t catalog_currency_count;

struct room_type_info {
	const char *code, *name;
	uint16_t share; /* of the rooms */
	uint16_t rate_pct;
	uint8_t beds;
};
extern const struct room_type_info catalog_room_types[CATALOG_ROOM_TYPES];

enum channel {
	CHANNEL_DIRECT,
	CHANNEL_OTA,
	CHANNEL_META,
	CHANNEL_WALK_IN,
	CHANNEL_CORPORATE,
	CHANNEL_GDS,
	CHANNEL_UNKNOWN,
	CHANNEL_COUNT
};

struct channel_info {
	const char *name;
	uint16_t weight;
	uint16_t cancel, no_show; /* per mille of the bookings */
	uint8_t rate_pct;
	bool quoted;     /* asks for a quote and holds before it confirms */
	uint16_t prepay; /* per mille that pay in advance, when not in cash */
	uint8_t lead[8]; /* octiles of the days between booking and arrival */
};
extern const struct channel_info catalog_channels[CHANNEL_COUNT];

enum segment {
	SEGMENT_LEISURE,
	SEGMENT_BUSINESS,
	SEGMENT_NGO,
	SEGMENT_GROUP,
	SEGMENT_DAY_USE,
	SEGMENT_COMPLIMENTARY,
	SEGMENT_HOUSE,
	SEGMENT_COUNT
};

struct segment_info {
	const char *name;
	uint16_t weight;
	uint8_t rooms_min, rooms_max;
	uint8_t rate_pct;
	uint16_t nights[14]; /* weights of 1 … 14 nights; day use has none */
};
extern const struct segment_info catalog_segments[SEGMENT_COUNT];

#endif
