/*
 * Statements in the control database on behalf of whoever calls: the transaction begins by naming
 * the tenant, which row level security reads, and the caller, whom analytics.visible_dashboards
 * reads. What is not visible is 404, exactly like what does not exist.
 */
#ifndef QUERYD_TENANT_CALLER_H
#define QUERYD_TENANT_CALLER_H

#include "queryd/access.h"

/* A call that outlives this turn of the loop: the same with a principal of its own, in the
 * request's arena, and without the tenant, which must be found again. */
struct call caller_keep(const struct call *c) MUST_CHECK;

/* Results of stmts[0] and following have this index. */
#define CALLER_RESULT    (QUERY_RESULT + 1)
#define CALLER_STMTS_MAX 10

/* As query_start(); statements and parameters live as long as the request. */
void caller_query(const struct call *c, const struct pgstmt *stmts, size_t n, pgconn_fn fn,
		  void *arg);
/* A failed one is answered 503 (or what it is); false then. */
bool caller_ok(struct httpd_request *http, const struct err *e);

/* "v<n>" of If-Match into ret_revision, NULL when any will do (`*`; or absent, unless required).
 * false: answered 428, or 412 for a tag that cannot be one of ours. */
bool caller_expects(const struct call *c, bool required, const char **ret_revision);
/* "<prefix>_<ULID>" and nothing else. */
bool caller_is_id(const char *id, const char *prefix);

#endif
