/*
 * How many rows a tenant has, and on which days: what the cost of its queries is estimated from.
 * The figures are of its own rows (analytics_run.extents_of). The planner's are not used: it
 * estimates from the statistics of all tenants together, and then what is refused would tell one
 * tenant about the others.
 */
#ifndef QUERYD_TENANT_EXTENT_H
#define QUERYD_TENANT_EXTENT_H

#include "common/pg/pgconn.h"

struct extent;

#define EXTENT_FIRST_DAY INT32_MIN
#define EXTENT_LAST_DAY  INT32_MAX

/* Rows of a table on the days from..to, those of a span spread evenly over it; none when `e` is
 * NULL. */
double extent_rows(const struct extent *e, const char *table, int32_t from, int32_t to);

/* Rows between two days that have some; a table has many. */
struct extent_span {
	char table[64];
	int32_t first, last;
	int64_t rows;
};
struct extent *extent_new(const struct extent_span *spans, size_t n) MUST_CHECK; /* copies them */
/* Rows of read_extents.sql. */
struct extent *extent_read(const struct pgresult *r, size_t result) MUST_CHECK;
void extent_free(struct extent *e); /* NULL is fine */

#endif
