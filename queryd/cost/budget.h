/*
 * The bytes that a tenant may read in a day (UTC), over all processes: analytics.budgets.
 *
 * What a query may read is charged before it runs. A process charges in portions of a hundredth of
 * the cap and spends them itself, so that most queries write nothing; what it neither needs nor
 * spends it gives back a second later, and when it ends. A process that is killed leaves its
 * portions charged: the budget may run out early, never late. Answers from the cache are free.
 *
 * The first charge that reaches 80 % and the first that does not fit are told, once a day, as
 * data_quality.alert events.
 */
#ifndef QUERYD_COST_BUDGET_H
#define QUERYD_COST_BUDGET_H

#include "queryd/access.h"

struct budget;

struct budget *budget_new(struct queryd *st) MUST_CHECK;
/* Gives everything back, then calls fn. */
void budget_settle(struct budget *b, void (*fn)(void *arg), void *arg);
void budget_stop(struct budget *b);
void budget_free(struct budget *b); /* after its pool is gone; NULL is fine for both */

/* PROBLEM_COUNT: charged; BUDGET_EXCEEDED; UNAVAILABLE. Called once, also from inside the call. */
typedef void (*budget_fn)(void *arg, enum problem_code verdict);
void budget_charge(struct budget *b, const char *tenant_id, int64_t bytes, budget_fn fn, void *arg);
/* What was charged is known better now. */
void budget_correct(struct budget *b, const char *tenant_id, int64_t charged, int64_t read);

/* Ends a request with a problem; BUDGET_EXCEEDED says when to try again: at midnight UTC. */
void budget_reply_problem(struct httpd_request *http, enum problem_code code, const char *detail);

void budget_serve(const struct call *c); /* GET …/budget */

#endif
