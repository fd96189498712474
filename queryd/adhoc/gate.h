/*
 * What a tenant's own SQL may be: one SELECT over the tenant's views, made of an allow-list of
 * syntax, operators, functions and types. libpg_query (Postgres' own parser) reads it; whatever the
 * tables gate_nodes.def and gate_names.def do not name is refused, so that new syntax starts
 * outside.
 *
 * The gate is the first of two walls: behind it the statement runs as the tenant's login role in a
 * read-only transaction, which alone would have to hold. What the gate adds is no catalogs, no
 * settings, no locks, nothing that collects without bound, and a bound on what planning costs.
 *
 * Named parameters are written @name; see gate_params.h and gate_bind.h.
 */
#ifndef QUERYD_ADHOC_GATE_H
#define QUERYD_ADHOC_GATE_H

#include "queryd/adhoc/gate_names.h"
#include "queryd/adhoc/gate_params.h"
#include "queryd/cost/reads.h"

#define GATE_SQL_MAX ((size_t)16 * 1024)

struct gate_statement {
	const char *sql;      /* with $1, $2 … for the names; in the arena */
	uint32_t relations;   /* bits of the views it reads, and of those behind them */
	struct reads reads;   /* how much of them */
	bool reads_the_clock; /* current_date and the like: not a function of the data alone */
};

/* Why not: one sentence that speaks of the statement alone, never of what a database holds. */
struct gate_refusal {
	int position; /* character of `sql` as it was given, from 1; 0: the whole */
	char detail[256];
};

/* 0, or -EINVAL with `why`. */
int gate_check(struct slice sql, const struct gate_params *params, struct arena *a,
	       struct gate_statement *ret, struct gate_refusal *why) MUST_CHECK;

#endif
