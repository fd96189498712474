/*
 * L2: connections to one server, shared. A caller acquires a connection, runs ops on it and
 * releases it; waiting is first come, first served, and bounded in number and time. A pool serves
 * one fixed role, or many (`role` per acquire, password derived by a callback): with a hard total,
 * idle connections of other roles are evicted least recently used first.
 *
 * When a connection cannot be opened the pool is down: it tries again with jittered backoff, one
 * connection at a time, while waiters wait out their time. One line is logged when the server is
 * lost and one when it is back. A role that is refused ends its waiters at once and is tried again
 * only by the next acquire; the pool of a fixed role is down then.
 */
#ifndef COMMON_PGPOOL_H
#define COMMON_PGPOOL_H

#include "common/pg/pgconn.h"

struct pgpool;

struct pgpool_options {
	const char *name; /* in logs: "warehouse" */
	const char *url;  /* these four are copied; see pgconn_options */
	const char *application;
	const char *settings; /* may be NULL */
	int size;             /* hard total of connections */
	int min_idle;         /* kept open for the fixed role; 0 for many-role pools */
	int role_max;         /* of one role at a time, so that one does not take all; 0: `size` */
	int waiting_max;      /* acquires beyond `size` that may wait */
	int64_t wait_ms;      /* longest wait for a connection */
	int64_t connect_timeout_ms;
	/* many-role pools: writes the password of `role` (at most 255 bytes) */
	void (*password)(void *arg, const char *role, char *out, size_t size);
	/* told on every change: up = a connection could be opened (readiness); may be NULL.
	 * `reason` is "" when up. Never called from pgpool_new; a pool with min_idle starts as not
	 * up. */
	void (*on_state)(void *arg, bool up, const char *reason);
	void *arg;
};

/* c is NULL and e set when none could be had: -EAGAIN queue full, -ETIMEDOUT waited too long,
 * -ECONNREFUSED server gone, -EACCES role refused. */
typedef void (*pgpool_fn)(void *arg, struct pgconn *c, const struct err *e);

struct pgpool *pgpool_new(struct event_base *base, const struct pgpool_options *o) MUST_CHECK;
/* Acquired connections are closed (their ops end with -ECANCELED), waiters end with -ECANCELED; may
 * be called from any callback. NULL is fine. */
void pgpool_free(struct pgpool *p);

struct pgpool_wait; /* a waiting acquire; dead once its callback ran */
/* Never NULL, never calls fn before returning. role NULL: the URL's own. */
struct pgpool_wait *pgpool_acquire(struct pgpool *p, const char *role, pgpool_fn fn, void *arg);
void pgpool_cancel(struct pgpool *p, struct pgpool_wait *w); /* fn will not be called */
/* A connection that is broken, in a transaction or running an op (it ends with -ECANCELED) is
 * closed and replaced. c is dead to the caller; during pgpool_free this is a no-op. */
void pgpool_release(struct pgpool *p, struct pgconn *c);
/* Acquire, run the statements as one transaction (see pgconn_batch), release; fn gets the error of
 * whichever failed. Parameters are copied. */
void pgpool_batch(struct pgpool *p, const char *role, const struct pgstmt *stmts, size_t n,
		  int64_t timeout_ms, pgconn_fn fn, void *arg);
void pgpool_exec(struct pgpool *p, const char *role, const struct sql_stmt *s,
		 const char *const *params, int64_t timeout_ms, pgconn_fn fn, void *arg);
bool pgpool_up(const struct pgpool *p);
size_t pgpool_waiting(const struct pgpool *p);

#endif
