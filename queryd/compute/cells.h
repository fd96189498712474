/*
 * The cells of a result. A cell is (window, group, period, metric): the sums of the metric's parts;
 * groups come from any source, periods from the calendar, so that a period without data is there
 * too. Ratios are taken at the very end, of sums; totals come from the parts, not the rows.
 *
 * Amounts have one group per currency. A metric that is no amount means the same in a request with
 * amounts as alone: it is that of the group in all its currencies, in each of their rows. Rooms
 * have no currency of their own: below an amount they count for the currency of their property, and
 * for a currency in which nobody has rooms all rooms of the group count.
 */
#ifndef QUERYD_COMPUTE_CELLS_H
#define QUERYD_COMPUTE_CELLS_H

#include "queryd/compute/i128.h"
#include "queryd/compute/request.h"

struct sums {
	i128 numerator, denominator;
};

/* What a cell shows: null for a ratio without denominator; amounts are whole micro-units. */
struct value {
	enum { VALUE_NULL, VALUE_INTEGER, VALUE_REAL } kind;
	i128 integer;
	double real;
};

struct cells;

/* `r` is resolved and borrowed for the life of the cells, which live in the arena. max: the most
 * cells of a window that there may be. */
struct cells *cells_new(const struct request *r, size_t max, struct arena *a) MUST_CHECK;
/* A row of one of the request's sources over one of its windows, as texts in the order of its
 * columns; they are copied. -E2BIG when there would be too many cells, and from then on. */
int cells_add(struct cells *c, size_t window, const struct source *s,
	      const char *const *row) MUST_CHECK;
/* No more rows: completes denominators and orders the groups. Once, before the following. */
void cells_finish(struct cells *c);

const struct request *cells_request(const struct cells *c);
int64_t cells_facts(const struct cells *c); /* curated rows that were summed, of all windows */
unsigned cells_dimensions(const struct cells *c); /* of the groups: asked for and implied */
size_t cells_groups(const struct cells *c);       /* in order of their dimensions */
size_t cells_periods(const struct cells *c);
int32_t cells_period(const struct cells *c, size_t period);
const char *cells_dimension(const struct cells *c, size_t group, enum dimension d); /* or NULL */
const struct sums *cells_sums(const struct cells *c, size_t window, size_t group, size_t period,
			      size_t metric);
/* Of all groups and periods. false: over several currencies, whose sum would mean nothing. */
bool cells_total(const struct cells *c, size_t window, size_t metric, struct sums *ret);
const char *cells_currency(const struct cells *c); /* the one of all groups; NULL: none */

struct value value_of(const struct metric_def *m, const struct sums *s);

#endif
