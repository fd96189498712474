/*
 * L2: statements on a pool: acquire, batch, release. For callers that need no transaction of more
 * than one round trip. It lives on pgpool's public interface; see pgpool.h for the contract.
 */
#include "common/pg/pgpool.h"

#include "common/base/arena.h"

struct call {
	struct arena *arena; /* it, its statements and their parameters */
	struct pgpool *pool;
	struct pgconn *conn;
	struct pgstmt *stmts;
	size_t n;
	int64_t timeout_ms;
	pgconn_fn fn;
	void *arg;
};

static struct pgstmt copy_of(struct arena *arena, const struct pgstmt *s)
{
	size_t n = (size_t)s->stmt->nparams;
	const char **params = arena_alloc(arena, n * sizeof(*params));

	for (size_t i = 0; i < n; i++)
		params[i] = s->params[i] != NULL ? arena_strdup(arena, s->params[i]) : NULL;
	return (struct pgstmt){s->stmt, params};
}

static void call_end(struct call *k, const struct pgresult *r, const struct err *e)
{
	k->fn(k->arg, r, e);
	arena_free(k->arena);
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
	pgconn_batch(c, k->stmts, k->n, k->timeout_ms, on_called, k);
}

void pgpool_batch(struct pgpool *p, const char *role, const struct pgstmt *stmts, size_t n,
		  int64_t timeout_ms, pgconn_fn fn, void *arg)
{
	struct arena *arena = arena_new();
	struct call *k = arena_alloc(arena, sizeof(*k));

	*k = (struct call){
		.arena = arena, .pool = p, .n = n, .timeout_ms = timeout_ms, .fn = fn, .arg = arg};
	k->stmts = arena_alloc(arena, n * sizeof(*k->stmts));
	for (size_t i = 0; i < n; i++)
		k->stmts[i] = copy_of(arena, &stmts[i]);
	(void)pgpool_acquire(p, role, on_acquired, k);
}

void pgpool_exec(struct pgpool *p, const char *role, const struct sql_stmt *s,
		 const char *const *params, int64_t timeout_ms, pgconn_fn fn, void *arg)
{
	pgpool_batch(p, role, &(struct pgstmt){s, params}, 1, timeout_ms, fn, arg);
}
