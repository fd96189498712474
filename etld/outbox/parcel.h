/* What the relay sends at a time: the first rows of one ordering key, in their order. */
#ifndef ETLD_PARCEL_H
#define ETLD_PARCEL_H

#include "common/base/arena.h"
#include "common/pg/pgconn.h"
#include "etld/outbox/topic.h"

#define PARCELS_MAX      32 /* keys at a time: requests under way */
#define PARCEL_ROWS_MAX  100
#define PARCEL_BYTES_MAX ((size_t)4 << 20) /* Pub/Sub takes 10 MB in a request */

struct relay;

struct parcel {
	struct relay *relay; /* for callbacks; the relay's to set */
	const char *ordering_key;
	struct topic_message messages[PARCEL_ROWS_MAX];
	struct slice envelopes[PARCEL_ROWS_MAX];
	char ids[PARCEL_ROWS_MAX][24];
	size_t n, bytes;
	int64_t attempts; /* that its first row has had */
};

/* The rows of take_rows.sql, taken with PARCELS_MAX and PARCEL_ROWS_MAX, copied into the arena.
 * Rows that their parcel has no room for are left out: they are next. */
struct parcel *parcels_of(const struct pgresult *r, struct arena *a, size_t *ret_n) MUST_CHECK;

#endif
