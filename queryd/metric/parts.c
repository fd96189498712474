/* The tables of sources and parts; see parts.h. */
#include "queryd/metric/parts.h"

#include "sql_gen.h"

#define PACE_LAG 364 /* days: the same weekday a year before; as metric_pace.sql says */
#define OF_STAY                                                                  \
	(DIM_BIT(DIM_PROPERTY) | DIM_BIT(DIM_ROOM_TYPE) | DIM_BIT(DIM_CHANNEL) | \
	 DIM_BIT(DIM_MARKET_SEGMENT) | DIM_BIT(DIM_RATE_PLAN))

enum {
	ROOM_NIGHT,
	INVENTORY_DAY,
	ARRIVAL,
	DEPARTURE,
	BOOKED,
	PAYMENT,
	HOUSEKEEPING,
	LOCK,
	SUGGESTION,
	FUNNEL,
	BOOKS,
	PACE
};

const struct source sources[SOURCE_COUNT] = {
	[ROOM_NIGHT] = {"room_night",
			&SQL_queryd_metric_room_night,
			{"fact_room_night"},
			OF_STAY | DIM_BIT(DIM_CURRENCY),
			3,
			REACH_WINDOW},
	[INVENTORY_DAY] = {"inventory_day",
			   &SQL_queryd_metric_inventory_day,
			   {"fact_inventory_day", "dim_property"},
			   DIM_BIT(DIM_PROPERTY) | DIM_BIT(DIM_ROOM_TYPE) | DIM_BIT(DIM_CURRENCY),
			   2,
			   REACH_WINDOW},
	[ARRIVAL] = {"reservation_arrival",
		     &SQL_queryd_metric_reservation_arrival,
		     {"fact_reservation"},
		     OF_STAY,
		     5,
		     REACH_WINDOW},
	[DEPARTURE] = {"reservation_departure",
		       &SQL_queryd_metric_reservation_departure,
		       {"fact_reservation"},
		       OF_STAY,
		       2,
		       REACH_WINDOW},
	[BOOKED] = {"reservation_booked",
		    &SQL_queryd_metric_reservation_booked,
		    {"fact_reservation", "dim_property"},
		    OF_STAY,
		    2,
		    REACH_ALL},
	[PAYMENT] = {"payment",
		     &SQL_queryd_metric_payment,
		     {"fact_payment"},
		     DIM_BIT(DIM_PROPERTY) | DIM_BIT(DIM_METHOD),
		     2,
		     REACH_WINDOW},
	[HOUSEKEEPING] = {"housekeeping_task",
			  &SQL_queryd_metric_housekeeping_task,
			  {"fact_housekeeping_task"},
			  DIM_BIT(DIM_PROPERTY),
			  2,
			  REACH_WINDOW},
	[LOCK] = {"lock_action",
		  &SQL_queryd_metric_lock_action,
		  {"fact_lock_action"},
		  DIM_BIT(DIM_PROPERTY),
		  2,
		  REACH_WINDOW},
	[SUGGESTION] = {"ai_suggestion",
			&SQL_queryd_metric_ai_suggestion,
			{"fact_ai_suggestion"},
			DIM_BIT(DIM_PROPERTY) | DIM_BIT(DIM_CAPABILITY),
			2,
			REACH_WINDOW},
	[FUNNEL] = {"funnel",
		    &SQL_queryd_metric_funnel,
		    {"fact_funnel"},
		    DIM_BIT(DIM_PROPERTY) | DIM_BIT(DIM_META_SOURCE),
		    3,
		    REACH_WINDOW},
	[BOOKS] = {"books",
		   &SQL_queryd_metric_books,
		   {"fact_room_night_history"},
		   OF_STAY,
		   2,
		   REACH_WINDOW},
	[PACE] = {"pace",
		  &SQL_queryd_metric_pace,
		  {"fact_room_night_history"},
		  OF_STAY,
		  2,
		  REACH_YEARS},
};

/* In the order of the statements' columns. */
static const struct part parts[] = {
	{"rooms_sold", &sources[ROOM_NIGHT], 0, false},
	{"rooms_occupied", &sources[ROOM_NIGHT], 1, false},
	{"room_revenue", &sources[ROOM_NIGHT], 2, true},
	{"rooms_available", &sources[INVENTORY_DAY], 0, false},
	{"rooms_in_order", &sources[INVENTORY_DAY], 1, false},
	{"reservations", &sources[ARRIVAL], 0, false},
	{"cancelled", &sources[ARRIVAL], 1, false},
	{"expected_arrivals", &sources[ARRIVAL], 2, false},
	{"no_shows", &sources[ARRIVAL], 3, false},
	{"lead_time_days", &sources[ARRIVAL], 4, false},
	{"stays", &sources[DEPARTURE], 0, false},
	{"stay_nights", &sources[DEPARTURE], 1, false},
	{"booked", &sources[BOOKED], 0, false},
	{"booked_cancelled", &sources[BOOKED], 1, false},
	{"payments_captured", &sources[PAYMENT], 0, false},
	{"payments_tried", &sources[PAYMENT], 1, false},
	{"ready_minutes", &sources[HOUSEKEEPING], 0, false},
	{"rooms_readied", &sources[HOUSEKEEPING], 1, false},
	{"lock_succeeded", &sources[LOCK], 0, false},
	{"lock_tried", &sources[LOCK], 1, false},
	{"suggestions_accepted", &sources[SUGGESTION], 0, false},
	{"suggestions_shown", &sources[SUGGESTION], 1, false},
	{"qualified_clicks", &sources[FUNNEL], 0, false},
	{"converted_handoffs", &sources[FUNNEL], 1, false},
	{"converted_handoffs_net", &sources[FUNNEL], 2, false},
	{"on_the_books", &sources[BOOKS], 0, false},
	{"pickup", &sources[BOOKS], 1, false},
	{"pace", &sources[PACE], 0, false},
	{"on_the_books_last_year", &sources[PACE], 1, false},
};

const struct part *part_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (strcmp(parts[i].name, name) == 0)
			return &parts[i];
	}
	return NULL;
}

const struct part *part_at(size_t i)
{
	return i < ARRAY_SIZE(parts) ? &parts[i] : NULL;
}

size_t source_index(const struct source *s)
{
	return (size_t)(s - sources);
}

bool source_has_history(const struct source *s)
{
	return s->stmt->nparams > SOURCE_PARAMS;
}

int32_t source_lag_days(const struct source *s)
{
	return s == &sources[PACE] ? PACE_LAG : 0;
}
