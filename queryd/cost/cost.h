/*
 * What a query costs: estimated before it runs, refused when that is too much, charged to the
 * tenant's budget, corrected by what was read, and logged.
 *
 * The estimate is made of two things: what the question reads (reads.h), which its text says, and
 * how much the tenant has of that (tenant/extent.h), counted from its own rows. So it is the same
 * whatever the other tenants have, and it costs no planning and no round trip. The planner's own
 * would move with the statistics of all tenants. What it leaves out are conditions on anything but
 * days and keys, which the server looks at row by row: they make an answer smaller, not what is
 * read.
 *
 * The estimate is not shown, only whether it is too much. What an answer says it has read is
 * counted while it runs.
 */
#ifndef QUERYD_COST_COST_H
#define QUERYD_COST_COST_H

#include "queryd/access.h"
#include "queryd/cost/querylog.h"
#include "queryd/cost/reads.h"

struct cost;
struct courier;

struct cost *cost_new(struct queryd *st) MUST_CHECK;
void cost_settle(struct cost *c, void (*fn)(void *arg), void *arg); /* before the process ends */
void cost_stop(struct cost *c);
void cost_free(struct cost *c); /* after every query has ended; NULL is fine for both */

/* Borrowed until fn. */
struct cost_question {
	const char *tenant_id;
	const struct reads *reads;
	bool dry; /* it will not run: nothing is charged */
};

/* verdict PROBLEM_COUNT: it may run, and `charged` is to be given to cost_end; else QUERY_BYTE_CAP_
 * EXCEEDED, BUDGET_EXCEEDED or UNAVAILABLE with a sentence. Called once and soon, of a dry question
 * always from inside the call. */
typedef void (*cost_fn)(void *arg, enum problem_code verdict, const char *detail, int64_t charged);
/* Judges a question of a tenant that was found in this turn. */
void cost_admit(struct cost *c, const struct tenant *n, const struct cost_question *q, cost_fn fn,
		void *arg);
/* It ran (`charged` by cost_admit), or was refused (0). entry->bytes is what was read, -1 when it
 * is not known since it did not end: then it stays charged as estimated. */
void cost_end(struct cost *c, int64_t charged, const struct querylog_entry *entry);
/* It was admitted and did not run after all. */
void cost_refund(struct cost *c, const char *tenant_id, int64_t charged);
/* Whether the problem is one of cost, which is told as such. */
bool cost_is_refusal(enum problem_code code);

#endif
