/*
 * What a query costs: estimated before it runs, refused when that is too much, charged to the
 * tenant's budget, corrected by what was read, and logged.
 *
 * The estimate is the planner's: its total cost is in units of a page read at random, so bytes =
 * cost × 8192 / random_page_cost. A tenant's own SQL is planned for it each time, on the tenant's
 * own connection. Planning a frozen statement costs about as much as running it for a small tenant,
 * so for those a ceiling is kept: the statement over all of the tenant's history, planned once in
 * ten minutes. When the ceilings of a query are small, that is the estimate; the very statements
 * are planned only when they are not.
 *
 * The estimate is never shown, only whether it is too much: the planner's statistics are of all
 * tenants together, and a figure that moves when they change tells about the others. What an
 * answer says it has read is counted while it runs, and is of the tenant's own rows.
 */
#ifndef QUERYD_COST_COST_H
#define QUERYD_COST_COST_H

#include "queryd/access.h"
#include "queryd/cost/querylog.h"

struct cost;
struct courier;

struct cost *cost_new(struct queryd *st) MUST_CHECK;
void cost_settle(struct cost *c, void (*fn)(void *arg), void *arg); /* before the process ends */
void cost_stop(struct cost *c);
void cost_free(struct cost *c); /* after every query has ended; NULL is fine for both */

#define COST_STMTS_MAX 32

/* Borrowed until fn. */
struct cost_question {
	const char *tenant_id, *scope;
	const struct pgstmt *stmts; /* that read the tenant's rows */
	size_t n;
	bool frozen; /* statements of sql/, with the parameters of sources (parts.h) */
	bool dry;    /* it will not run: nothing is charged */
};

/* verdict PROBLEM_COUNT: it may run, and `charged` is to be given to cost_end; else QUERY_BYTE_CAP_
 * EXCEEDED, BUDGET_EXCEEDED or UNAVAILABLE with a sentence. e: the statements could not be planned,
 * and the verdict says nothing. Called once, also from inside the call. */
typedef void (*cost_fn)(void *arg, enum problem_code verdict, const char *detail, int64_t charged,
			const struct err *e);
/* The tenant was found in this turn. */
void cost_admit(struct cost *c, struct tenant *n, const struct cost_question *q, cost_fn fn,
		void *arg);
/* It ran (`charged` by cost_admit), or was refused (0). entry->bytes is what was read, -1 when it
 * is not known since it did not end: then it stays charged as estimated. */
void cost_end(struct cost *c, int64_t charged, const struct querylog_entry *entry);
/* It was admitted and did not run after all. */
void cost_refund(struct cost *c, const char *tenant_id, int64_t charged);
/* Whether the problem is one of cost, which is told as such. */
bool cost_is_refusal(enum problem_code code);

#endif
