/*
 * Sources and parts. A source is one frozen statement over one tenant view; a part is a number that
 * it sums per group. Every metric is a part, or a ratio of two: ratios of sums, never sums of
 * ratios.
 */
#ifndef QUERYD_METRIC_PARTS_H
#define QUERYD_METRIC_PARTS_H

#include "common/pg/sqlstmt.h"
#include "queryd/metric/dimension.h"

/* Parameters of every source: from, to, periods, dimensions, then in and out of each dimension; one
 * with a history takes one or two more: as of, days. */
#define SOURCE_PARAMS         (4 + 2 * DIM_FILTERS)
#define SOURCE_PARAMS_HISTORY (SOURCE_PARAMS + 2)
/* Columns of a source before its parts: number of the period, then every dimension. */
#define SOURCE_PART_COLUMN (1 + DIM_COUNT)
#define SOURCE_COUNT       12
#define SOURCE_PARTS_MAX   8

/* Which days of its first table a source reads; of the others, all rows. */
enum source_reach {
	REACH_WINDOW,
	REACH_YEARS, /* the window, and the one 364 days before */
	REACH_ALL,   /* no index leads to what it looks for */
};

struct source {
	const char *name;
	const struct sql_stmt *stmt;
	const char *tables[3]; /* curated tables it reads, ended by NULL: versions and lineage */
	unsigned dimensions;   /* DIM_BIT of those it can group by */
	int nparts;            /* after them the statement has one more column: rows read */
	enum source_reach reach;
};

struct part {
	const char *name;
	const struct source *source;
	int column; /* among the source's parts, from 0 */
	bool money; /* micro-units: only sums of one currency mean something */
};

extern const struct source sources[SOURCE_COUNT];

const struct part *part_find(const char *name); /* NULL: none */
const struct part *part_at(size_t i);           /* NULL past the last */
/* It knows what was known at an instant (asOf), and `days` before it (params.days). */
bool source_has_history(const struct source *s);
/* How many days before the window another one of its length lies that it reads, too; 0: none. */
int32_t source_lag_days(const struct source *s);
/* Index of the source in `sources`. */
size_t source_index(const struct source *s);

#endif
