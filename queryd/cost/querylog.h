/*
 * What was computed and what was refused: analytics.query_log, and query.executed events of a
 * sample of the computed queries and of all that were refused; who waited for an equal one that was
 * refused, or failed, is told as well. Answers from the cache, and those waited for, are counted
 * in /metrics only.
 *
 * Entries are kept in memory and written once a second; equal ones within it are one, so that a
 * tenant that repeats itself thousands of times is one row that says so. Beyond 200 different ones
 * of a tenant in that second they are counted as dropped: a log must not become a load. A process
 * that is killed loses its last second; the budget does not (budget.h).
 */
#ifndef QUERYD_COST_QUERYLOG_H
#define QUERYD_COST_QUERYLOG_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"

struct querylog;
struct courier;

struct querylog_entry { /* texts are copied */
	const char *tenant_id, *actor_id;
	const char *query_id; /* of a saved query; NULL: none */
	const char *hash;     /* of the question */
	const char *kind;     /* "structured", "sql" */
	const char *outcome;  /* "ok", or the code of the problem */
	const char *cache;    /* what X-Cache says */
	bool refused;
	int64_t bytes, duration_us, rows;
};

struct querylog *querylog_new(struct daemon *d, struct pgpool *control,
			      struct courier *courier) MUST_CHECK;
void querylog_add(struct querylog *l, const struct querylog_entry *e);
/* Writes what there is, then calls fn, whether it could be written or not. */
void querylog_flush(struct querylog *l, void (*fn)(void *arg), void *arg);
void querylog_stop(struct querylog *l);
void querylog_free(struct querylog *l); /* after its pool is gone; NULL is fine for both */

#endif
