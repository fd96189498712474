/*
 * Cells as the rows of an answer: ordered, a page of them, and written as JSON. Each dimension is a
 * column named by its own, each metric one named by its key; with compareTo two more follow it:
 * <key>_previous, and <key>_change, its relative change (0.1 = 10 % more; null without a base).
 *
 * Pages are by key, not by number: a cursor says which row was the last one, so that rows which
 * come or go between two pages are neither repeated nor skipped. It is authenticated, and good for
 * the same question of the same scope only.
 */
#ifndef QUERYD_COMPUTE_TABLE_H
#define QUERYD_COMPUTE_TABLE_H

#include "queryd/compute/cells.h"

#define TABLE_SUFFIX_PREVIOUS "_previous"
#define TABLE_SUFFIX_CHANGE   "_change"

struct table;

/* `context` says which question of which scope; both are borrowed for the life of the table, which
 * lives in the arena. NULL: the request's cursor is none of ours for this question. */
struct table *table_new(const struct cells *c, const char *context, struct slice key,
			struct arena *a) MUST_CHECK;

/* The values of `columns`, `rows` and `totals`. */
void table_write_columns(const struct table *t, struct json_writer *w);
void table_write_rows(const struct table *t, struct json_writer *w);
void table_write_totals(const struct table *t, struct json_writer *w);
size_t table_rows(const struct table *t); /* that table_write_rows writes */
/* The sums behind the rows: [{…, numerator, denominator}], of the first metric. */
void table_write_parts(const struct table *t, struct json_writer *w);
/* The cursor of the next page, NULL on the last one. */
const char *table_next_cursor(const struct table *t);

#endif
