/*
 * A tenant's own SQL: passed by the gate, run behind a cursor in a read-only snapshot on the
 * tenant's login, bounded in rows, bytes and time. Its results are not cached.
 *
 * Few run at a time in a process; the others wait in turn, so that neither widgets nor other
 * tenants wait for one that scans. What workers share, each has its part of, at least one:
 *
 *	lane		in a process			of a tenant
 *	all queries	tenant_connections		tenant_share
 *	ad-hoc SQL	adhoc_queries, at most half	1
 *	snapshots	4, none while others wait	1	(sync/generator.h)
 *
 * What the server says about a statement is never shown: a table of SQLSTATEs gives the sentence.
 */
#ifndef QUERYD_ADHOC_ADHOC_H
#define QUERYD_ADHOC_ADHOC_H

#include "queryd/access.h"

struct adhoc;
struct snapshot_order;

struct adhoc *adhoc_new(struct queryd *st) MUST_CHECK;
void adhoc_free(struct adhoc *a); /* after every query has ended */

/* Not needed after the call. */
struct adhoc_question {
	const char *sql;
	const struct json *params[2];          /* each may be NULL; of one name the latter counts */
	const char *query_id;                  /* of a saved one; NULL: none */
	const struct snapshot_order *snapshot; /* NULL: the answer is not kept */
	bool dry_run;
	int64_t deadline_ms;
};

void adhoc_serve(const struct call *c, const struct adhoc_question *q);

#endif
