/*
 * From the rows of the sources to a result. A cell is (group, period): the sums of the metric's
 * parts; groups come from any source, periods from the calendar, so that a period without data is
 * there too. Ratios are taken at the very end, of sums; totals come from the parts, not the rows.
 *
 * Amounts have one group per currency. Rooms have none of their own: they count for the currency of
 * their property, and for a currency in which nobody has rooms all rooms of the group count.
 */
#ifndef QUERYD_CELLS_H
#define QUERYD_CELLS_H

#include "common/json.h"
#include "queryd/request.h"

struct cells;

/* `r` is resolved and borrowed for the life of the cells, which live in the arena. max: the most
 * cells there may be. */
struct cells *cells_new(const struct request *r, size_t max, struct arena *a) MUST_CHECK;
/* A row of one of the metric's sources, as texts in the order of its columns; they are copied.
 * -E2BIG when there would be too many cells, and from then on. */
int cells_add(struct cells *c, const struct source *s, const char *const *row) MUST_CHECK;
/* No more rows: completes denominators and orders the groups. Once, before the following. */
void cells_finish(struct cells *c);
size_t cells_count(const struct cells *c);
int64_t cells_facts(const struct cells *c); /* curated rows that were summed */

/* The values of `columns`, `rows` and `totals`. */
void cells_write_columns(const struct cells *c, struct json_writer *w);
void cells_write_rows(const struct cells *c, struct json_writer *w);
void cells_write_totals(const struct cells *c, struct json_writer *w);
/* The sums behind the rows: [{…, numerator, denominator}]. */
void cells_write_parts(const struct cells *c, struct json_writer *w);

#endif
