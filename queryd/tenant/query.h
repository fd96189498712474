/*
 * Statements in one transaction that begins by saying for whom they are: in the control database
 * the tenant that row level security shows, in the warehouse the properties that the views show,
 * signed. No other code of queryd reads what belongs to a tenant.
 */
#ifndef QUERYD_TENANT_QUERY_H
#define QUERYD_TENANT_QUERY_H

#include "common/http/problem.h"
#include "common/pg/pgpool.h"

struct query;

struct query_target {
	struct pgpool *pool;
	const char *tenant_id;
	/* the warehouse only; scope NULL: the control database */
	const char *role;       /* whom to log in as: the tenant, or analytics_nobody */
	const char *scope;      /* a principal's scope text */
	struct slice scope_key; /* what signs it */
	int64_t timeout_ms;
};

/* Results of stmts[0] and following have this index: the one before is of the statement that says
 * for whom. */
#define QUERY_RESULT    1
#define QUERY_STMTS_MAX 48

/* The target is copied but for the scope key; that, the statements and their parameters are
 * borrowed until fn, which is called exactly once, never from inside the call. A stale plan is
 * tried again, and so is a read of the warehouse whose connection was lost: once, on another one.
 */
struct query *query_start(const struct query_target *target, const struct pgstmt *stmts, size_t n,
			  pgconn_fn fn, void *arg);
/* Nobody wants the result any more: the server is asked to stop; fn still is called. */
void query_cancel(struct query *q);
/* The problem that an error of a query is to its client; logs what is nobody's fault but ours. */
enum problem_code query_problem(const struct err *e);

#endif
