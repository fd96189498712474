/* One transaction for one tenant; see query.h. */
#include "queryd/tenant/query.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/strbuf.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "sql_gen.h"

#define QUERY_MAGIC OBJ_MAGIC('q')
#define SCOPE_TTL_S 300 /* a transaction ends long before */

struct query {
	unsigned magic;
	struct query_target target;
	char *tenant_id, *role, *scope; /* of the target */
	struct pgstmt stmts[QUERY_RESULT + QUERY_STMTS_MAX];
	size_t n;
	const char *first_param[1];
	char *signed_scope;
	struct pgconn *conn;
	pgconn_fn fn;
	void *arg;
	bool cancelled, retried;
};

static void acquire(struct query *q);

static void end(struct query *q, const struct pgresult *r, const struct err *e)
{
	q->fn(q->arg, r, e);
	free(q->tenant_id);
	free(q->role);
	free(q->scope);
	free(q->signed_scope);
	q->magic = 0;
	free(q);
}

/* '<expiry>|<ids>|<hmac of tenant|ids|backend|expiry>': it is good for this connection only. */
static char *sign_scope(const struct query *q)
{
	struct strbuf text = STRBUF_INIT, message = STRBUF_INIT;
	unsigned char mac[HASH_SHA256_LEN];
	char hex[2 * HASH_SHA256_LEN + 1];
	long long expiry = (long long)(clock_wall_ms() / 1000 + SCOPE_TTL_S);

	strbuf_appendf(&message, "%s|%s|%d|%lld", q->role, q->scope, pgconn_backend_pid(q->conn),
		       expiry);
	hash_hmac_sha256(q->target.scope_key, strbuf_slice(&message), mac);
	hash_hex(mac, sizeof(mac), hex);
	strbuf_appendf(&text, "%lld|%s|%s", expiry, q->scope, hex);
	strbuf_clear(&message);
	return strbuf_take(&text);
}

/* A pooled connection may have been dropped by the server while it was idle, or with the statements
 * on it: nothing has been answered, and a read changes nothing. Ours was given up at its deadline
 * when the code is -ETIMEDOUT. */
static bool worth_another(const struct query *q, const struct err *e)
{
	bool lost = q->scope != NULL && e->code != -ETIMEDOUT && e->code != -ECANCELED &&
		    pgconn_broken(q->conn);

	return !q->retried && !q->cancelled && (e->code == -EAGAIN || lost);
}

static void on_result(void *arg, const struct pgresult *r, const struct err *e)
{
	struct query *q = arg;
	bool again;

	OBJ_CHECK(q, QUERY_MAGIC);
	again = e != NULL && worth_another(q, e);
	pgpool_release(q->target.pool, q->conn);
	q->conn = NULL;
	if (again) {
		q->retried = true;
		acquire(q);
		return;
	}
	end(q, r, e);
}

static void on_conn(void *arg, struct pgconn *c, const struct err *e)
{
	struct query *q = arg;
	struct err failed = c == NULL ? *e : ERR_INIT;

	OBJ_CHECK(q, QUERY_MAGIC);
	if (c == NULL) {
		if (failed.code ==
		    -ETIMEDOUT) /* of waiting for a connection, not of the statements */
			failed.code = -EAGAIN;
		end(q, NULL, &failed);
		return;
	}
	q->conn = c;
	if (q->cancelled) {
		pgpool_release(q->target.pool, c);
		(void)err_set(&failed, -ECANCELED, "nobody waits for the result");
		end(q, NULL, &failed);
		return;
	}
	if (q->scope != NULL) {
		free(q->signed_scope);
		q->signed_scope = sign_scope(q);
		q->first_param[0] = q->signed_scope;
	}
	pgconn_batch(c, q->stmts, q->n, q->target.timeout_ms, on_result, q);
}

static void acquire(struct query *q)
{
	(void)pgpool_acquire(q->target.pool, q->role, on_conn, q);
}

struct query *query_start(const struct query_target *target, const struct pgstmt *stmts, size_t n,
			  pgconn_fn fn, void *arg)
{
	struct query *q = xcalloc(1, sizeof(*q));

	ASSERT(n <= QUERY_STMTS_MAX);
	*q = (struct query){.magic = QUERY_MAGIC, .target = *target, .fn = fn, .arg = arg};
	q->tenant_id = xstrdup(target->tenant_id);
	q->first_param[0] = q->tenant_id;
	if (target->scope != NULL) {
		q->role = xstrdup(target->role);
		q->scope = xstrdup(target->scope);
	}
	q->stmts[0] = (struct pgstmt){target->scope != NULL ? &SQL_queryd_set_scope
							    : &SQL_queryd_set_tenant,
				      q->first_param};
	memcpy(q->stmts + QUERY_RESULT, stmts, n * sizeof(*stmts));
	q->n = QUERY_RESULT + n;
	acquire(q);
	return q;
}

void query_cancel(struct query *q)
{
	OBJ_CHECK(q, QUERY_MAGIC);
	q->cancelled = true;
	if (q->conn != NULL)
		pgconn_cancel(q->conn);
}

enum problem_code query_problem(const struct err *e)
{
	switch (pg_error_class(e)) {
	case PG_ERROR_CONNECTION:
	case PG_ERROR_RETRY:
		return PROBLEM_UNAVAILABLE;
	case PG_ERROR_CANCELLED:
		return e->code == -ECANCELED ? PROBLEM_UNAVAILABLE : PROBLEM_QUERY_TIMEOUT;
	case PG_ERROR_UNIQUE:
	case PG_ERROR_DATA:
	case PG_ERROR_BUG:
		break;
	}
	if (e->code == -ETIMEDOUT)
		return PROBLEM_QUERY_TIMEOUT;
	if (e->sqlstate[0] == '\0')
		return PROBLEM_UNAVAILABLE;
	log_error("query failed", LOG_S("error", e->msg), LOG_S("sqlstate", e->sqlstate));
	return PROBLEM_INTERNAL;
}
