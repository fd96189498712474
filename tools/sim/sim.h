/*
 * The simulated world: who and what exists, and the state of the run. Shared by the modules of
 * hotelsim; each says in its header which part it changes.
 *
 *	world    builds tenants, hotels, rooms; turns local time into instants
 *	house    which rooms are free, sold, closed: keeps the world feasible
 *	stay     the life of a reservation
 *	upkeep   rooms out of order, closed, opened; inventory of a date
 *	office   everything that happens around it: funnel, housekeeping, locks, staff, prices, AI
 *	emit     one event into one line (shape, subject, field), and on its way (weather)
 *	plan     the figures that a correct pipeline must get from what was emitted
 *
 * One thread, no clock: all that happens follows from the options.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "common/base/base.h"
#include "common/base/ulid.h"
#include "tools/sim/catalog.h"
#include "tools/sim/options.h"
#include "tools/sim/rng.h"
#include "tools/sim/sched.h"

enum {
	SIM_LEAD_MAX = 120,     /* days that bookings reach ahead */
	SIM_RAMP_DAYS = 60,     /* the platform opens so long before --from … */
	SIM_WARM_DAYS = 14,     /* … and the first guests arrive so long before */
	SIM_NIGHTS_MAX = 30,    /* of one stay, extensions included */
	SIM_ITEMS_MAX = 6,      /* rooms of one reservation */
	SIM_STAFF = 9,          /* of a hotel */
	SIM_CENT_MICRO = 10000, /* amounts are hundredths of a unit; the wire has micro units */
};

#define SIM_SECOND INT64_C(1000000)
#define SIM_MINUTE (60 * SIM_SECOND)
#define SIM_HOUR   (60 * SIM_MINUTE)
#define SIM_DAY    (24 * SIM_HOUR)
#define SIM_NONE   SCHED_NONE /* no room, no reservation */

/* Kinds of ids: each has its own sequence of serials. */
enum id_kind {
	ID_TENANT,
	ID_PROPERTY,
	ID_ROOM_TYPE,
	ID_ROOM,
	ID_RATE_PLAN,
	ID_EVENT,
	ID_RESERVATION,
	ID_ITEM,
	ID_GUEST,
	ID_QUOTE,
	ID_SESSION,
	ID_HANDOFF,
	ID_PAYMENT,
	ID_FOLIO,
	ID_STAFF,
	ID_USER,
	ID_OWN,       /* belongs to one event */
	ID_CHAIN,     /* shared by a chain of events that has no struct: task, key, forecast … */
	ID_RSV_CHAIN, /* one for each reservation: allocation, chargeback */
	ID_KIND_COUNT
};

struct day {
	char text[11];          /* YYYY-MM-DD */
	uint8_t month, weekday; /* 0-based, Monday = 0 */
};

struct tenant {
	char id[ULID_LEN + 1];
	uint32_t index, first_prop, nprops;
	const struct country *country; /* of its first hotel */
	char name[48];
};

struct room {
	char id[ULID_LEN + 1];
	uint32_t prop;
	uint8_t type; /* index in its hotel and in catalog_room_types */
	uint16_t number;
	uint16_t version;  /* of the aggregate */
	int32_t open_day;  /* local date of its created event */
	int32_t out_until; /* while it is out of order: the first day it is not */
	bool out_closes;   /* and does not count as a room until then */
};

/* Rooms of one type in one hotel. `left` and the plan's arrays are indexed by day - sim.first_day.
 */
struct room_type {
	char id[ULID_LEN + 1];
	uint32_t first_room, nrooms, nopen; /* the last nrooms - nopen open later */
	int32_t *left;                      /* nights still to sell, by day */
	uint32_t *free_rooms;               /* ring of rooms that nobody is in */
	uint32_t free_at, free_len;
	uint16_t *created;  /* plan: rooms that exist, by day */
	int32_t *total;     /* plan: total by the last inventory update, -1 = none */
	uint8_t *announced; /* inventory update sent or under way for the day */
};

/* What the plan adds up for one hotel. */
struct tally {
	int64_t sold, revenue_cents;
	int64_t stays, stay_nights;
	int64_t arriving, cancelled, no_shows, arrived;
	int64_t channel_nights[CHANNEL_COUNT];
};

struct property {
	char id[ULID_LEN + 1];
	uint32_t index, tenant;
	const struct place *place;
	char name[64];
	uint32_t first_room, nrooms;
	struct room_type types[CATALOG_ROOM_TYPES];
	char rate_plans[CATALOG_RATE_PLANS][ULID_LEN + 1];
	int64_t demand; /* bookings a day, per mille, before season and weekday */
	uint16_t version;
	uint16_t *closed; /* plan: closed and house-permanent rooms by day */
	struct tally tally;
	struct activity *activity; /* activity.c's */
};

enum rsv_status {
	RSV_QUOTED,
	RSV_HELD,
	RSV_EXPIRED,
	RSV_CONFIRMED,
	RSV_CHECKED_IN,
	RSV_CHECKED_OUT,
	RSV_CANCELLED,
	RSV_NO_SHOW
};

struct item {
	uint32_t serial;
	uint32_t room; /* once checked in */
	uint32_t key;  /* its credential's chain, which began at key_us */
	int64_t key_us;
	int32_t start, end;
	uint8_t type, adults, children;
	uint8_t segment;         /* gives the kind: sold, complimentary, house_use, day_use */
	uint16_t rate_per_mille; /* against the hotel's rate of the night */
};

/* A reservation from its first quote until nothing about it is pending. */
struct rsv {
	char id[ULID_LEN + 1];
	uint32_t index, serial, prop;
	uint32_t refs; /* pending records that name it */
	uint8_t status, channel, segment, rate_plan, method;
	uint8_t nitems;
	bool ever_confirmed, quoted, authorized;
	bool counted;                 /* in the plan, as it is now */
	uint8_t arrivals, departures; /* times they were set: an older pending one is void */
	int32_t arrival, departure;   /* departure is the actual one after check-out */
	uint32_t session;             /* booking session, 0 = none */
	uint64_t guest;
	int64_t created_us, booked_us;
	int64_t last_us; /* its last own event: the next one comes later */
	int64_t captured_cents;
	struct item items[SIM_ITEMS_MAX];
};

struct emitter;

struct sim {
	struct options options;
	struct rng rng;
	struct sched *sched;
	struct emitter *emitter;
	int64_t from_us, to_us; /* of the run */
	int32_t first_day;      /* of `days` and of every array by day */
	int32_t last_day;       /* --to */
	int32_t ndays;
	struct day *days;
	struct tenant *tenants;
	struct property *props;
	struct room *rooms;
	uint32_t ntenants, nprops, nrooms;
	struct rsv **rsv_blocks; /* stable addresses */
	uint32_t rsv_count, rsv_blocks_cap;
	uint32_t *rsv_unused;
	uint32_t rsv_unused_len, rsv_unused_cap;
	uint32_t rsv_serial, session_serial, chain_serial;
	int64_t confirmed; /* reservations ever confirmed */
	bool done;         /* --events reached */
};

#define SIM_HOUR_S INT64_C(3600) /* in seconds, for sim_after */
#define SIM_DAY_S  INT64_C(86400)

/* An instant from_s to to_s seconds after another. */
static inline int64_t sim_after(struct sim *s, int64_t at_us, int64_t from_s, int64_t to_s)
{
	return at_us + rng_between(&s->rng, from_s * SIM_SECOND, to_s * SIM_SECOND);
}

/* ---- world.c */
void world_build(struct sim *s);
void world_free(struct sim *s);
/* Instant of a local time of day (microseconds) in a hotel. */
int64_t world_local(const struct property *p, int32_t day, int64_t of_day_us);
int32_t world_local_day(const struct property *p, int64_t at_us);
int64_t world_offset(const struct country *c, int64_t at_us);
static inline const struct day *world_day(const struct sim *s, int32_t day)
{
	ASSERT(day >= s->first_day && day < s->first_day + s->ndays);
	return &s->days[day - s->first_day];
}
void world_id(const struct sim *s, enum id_kind kind, uint64_t serial, int64_t at_us,
	      char out[ULID_LEN + 1]);
/* Rate of one night of an item, in hundredths. */
int64_t world_rate(const struct sim *s, const struct property *p, const struct item *it,
		   int32_t day);

#endif
