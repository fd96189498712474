/*
 * L2: one statement on a pool: acquire, exec, release. For callers that need no transaction of
 * their own. It lives on pgpool's public interface; see pgpool.h for the contract.
 */
#include "common/pg/pgpool.h"

#include "common/base/xalloc.h"

struct call {
	struct pgpool *pool;
	struct pgconn *conn;
	const struct sql_stmt *stmt;
	char **params;
	int64_t timeout_ms;
	pgconn_fn fn;
	void *arg;
};

static void call_end(struct call *k, const struct pgresult *r, const struct err *e)
{
	k->fn(k->arg, r, e);
	for (int i = 0; i < k->stmt->nparams; i++)
		free(k->params[i]);
	free(k->params);
	free(k);
}

static void on_called(void *arg, const struct pgresult *r, const struct err *e)
{
	struct call *k = arg;

	pgpool_release(k->pool, k->conn); /* first: fn may free the pool */
	call_end(k, r, e);
}

static void on_acquired(void *arg, struct pgconn *c, const struct err *e)
{
	struct call *k = arg;

	if (e != NULL) {
		call_end(k, NULL, e);
		return;
	}
	k->conn = c;
	pgconn_exec(c, k->stmt, (const char *const *)k->params, k->timeout_ms, on_called, k);
}

void pgpool_exec(struct pgpool *p, const char *role, const struct sql_stmt *s,
		 const char *const *params, int64_t timeout_ms, pgconn_fn fn, void *arg)
{
	struct call *k = xcalloc(1, sizeof(*k));

	*k = (struct call){.pool = p, .stmt = s, .timeout_ms = timeout_ms, .fn = fn, .arg = arg};
	k->params = xcalloc((size_t)s->nparams, sizeof(*k->params));
	for (int i = 0; i < s->nparams; i++)
		k->params[i] = params[i] != NULL ? xstrdup(params[i]) : NULL;
	(void)pgpool_acquire(p, role, on_acquired, k);
}
