/*
 * How many rows a tenant has, and on which days: what the cost of its queries is estimated from.
 * The figures are of its own rows, counted by tenant_views.extents(), and known for a minute. The
 * planner's are not used: it estimates from the statistics of all tenants together, and then what
 * is refused would tell one tenant about the others.
 */
#ifndef QUERYD_COST_EXTENT_H
#define QUERYD_COST_EXTENT_H

#include "queryd/tenant/tenants.h"

struct extents; /* those that are known */
struct extent;  /* one tenant's */

struct extents *extents_new(void) MUST_CHECK;
void extents_free(struct extents *x); /* after every query has ended; NULL is fine */

/* What is known of the tenant, borrowed for this turn; NULL: it must be read. */
const struct extent *extents_known(const struct extents *x, const char *tenant_id);
/* `e` is borrowed for the call; NULL with the error. Called once. */
typedef void (*extent_fn)(void *arg, const struct extent *e, const struct err *err);
/* Reads it; the query, for query_cancel() until fn is called. The tenant was found in this turn. */
struct query *extents_read(struct extents *x, struct tenant *n, const char *tenant_id, extent_fn fn,
			   void *arg);

#define EXTENT_FIRST_DAY INT32_MIN
#define EXTENT_LAST_DAY  INT32_MAX

/* Rows of a table on the days from..to, those of a span spread evenly over it. */
double extent_rows(const struct extent *e, const char *table, int32_t from, int32_t to);

/* Rows between two days that have some; a table has many. */
struct extent_span {
	char table[64];
	int32_t first, last;
	int64_t rows;
};
struct extent *extent_new(const struct extent_span *spans, size_t n) MUST_CHECK; /* copies them */
void extent_free(struct extent *e);

#endif
