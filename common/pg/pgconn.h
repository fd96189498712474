/*
 * L2: one asynchronous Postgres connection on the loop; with pgpool.c the only user of libpq.
 *
 * A connection does one operation at a time; each op has one callback, called exactly once, never
 * from inside the call that started it: with a result and e NULL, or with r NULL and e set. Ops:
 *   exec    one prepared statement (prepared lazily under its name, extended protocol)
 *   batch   several statements in one pipeline with one sync: an implicit transaction (all or
 *           nothing, one round trip, results in order)
 *           A statement whose name is "" is somebody's text: it is not kept, and ends the op with
 *           -E2BIG when its result grows beyond 16 MiB
 *   script  simple-protocol text of several statements, feeding the COPY … FROM STDIN in it in
 *           order from the given buffers (binary or text), results in order
 * Parameters and results are text; NULL parameters are NULL pointers. Parameters, the script's text
 * and the array of copies are copied by the call; the bytes of the copies are borrowed until the
 * callback. The result is borrowed until the callback returns.
 *
 * A failed op gives the SQLSTATE, "<statement name>: <primary message>" and a code: -EIO the server
 * said so, -EAGAIN a prepared plan went stale (again, on another connection), -ECONNRESET lost,
 * -ETIMEDOUT, -ECANCELED closed by pgconn_close. An op that fails from outside a transaction block
 * leaves the session outside one: what it had begun is rolled back before its callback. A block
 * opened by an earlier op (begin) stays open, failed, for its owner to roll back.
 *
 * A lost connection ends the running op with -ECONNRESET: its outcome is unknown, so every write is
 * idempotent. The conn then is `broken`; pgpool replaces it. Each op has a deadline: at it the
 * connection is given up (-ETIMEDOUT) and, from a connection of its own, the server is asked to
 * cancel; that is best effort (8 requests at a time), so set statement_timeout too, and
 * client_connection_check_interval for statements whose connection is given up or whose process
 * died.
 *
 * Host names are resolved by blocking calls of libpq: use a socket directory, an address or
 * hostaddr=.
 */
#ifndef COMMON_PGCONN_H
#define COMMON_PGCONN_H

#include "common/base/err.h"
#include "common/pg/sqlstmt.h"

struct event_base;
struct pgconn;
struct pgresult; /* the results of one op */

typedef void (*pgconn_fn)(void *arg, const struct pgresult *r, const struct err *e);

struct pgconn_options {
	const char *url;         /* postgresql://… ; all of these are borrowed during the call */
	const char *user;        /* overrides the URL's when not NULL */
	const char *password;    /* likewise */
	const char *application; /* application_name */
	const char *settings;    /* libpq `options`: "-c statement_timeout=…"; may be NULL */
	int64_t connect_timeout_ms;
};

/* Starts connecting, an op like others: `on_open(arg, NULL, e)` with e NULL on success, else
 * -EACCES the role or its password was refused, -ETIMEDOUT, -ECONNREFUSED anything else. Never
 * NULL. */
struct pgconn *pgconn_open(struct event_base *base, const struct pgconn_options *o,
			   pgconn_fn on_open, void *arg) MUST_CHECK;
/* A running op ends with -ECANCELED first; the server is not asked to stop it. May be called from
 * any callback, also the op's own. NULL is fine. */
void pgconn_close(struct pgconn *c);
bool pgconn_broken(const struct pgconn *c); /* every op would end with -ECONNRESET */
bool pgconn_busy(const struct pgconn *c);   /* an op runs (opening is one); no other may start */
bool pgconn_in_transaction(const struct pgconn *c); /* in a block, failed or not, or unknown */
/* `fn` is told once when the connection breaks while no op runs; NULL: nobody. */
void pgconn_on_broken(struct pgconn *c, void (*fn)(void *arg), void *arg);

struct pgstmt {
	const struct sql_stmt *stmt;
	const char *const *params; /* stmt->nparams values */
};

void pgconn_exec(struct pgconn *c, const struct sql_stmt *s, const char *const *params,
		 int64_t timeout_ms, pgconn_fn fn, void *arg);
void pgconn_batch(struct pgconn *c, const struct pgstmt *stmts, size_t n, int64_t timeout_ms,
		  pgconn_fn fn, void *arg);
/* `text` may be a statement file of several statements. copies[i] feeds the i-th COPY; a script
 * that succeeds has used all of them. */
void pgconn_script(struct pgconn *c, const char *text, const struct slice *copies, size_t ncopies,
		   int64_t timeout_ms, pgconn_fn fn, void *arg);
/* Moves a running script on, as far as its socket allows: for a caller whose own work keeps the
 * loop from doing so. The callback may come from inside the call. */
void pgconn_move(struct pgconn *c);
/* Asks the server to cancel what runs (the client left); the op then ends with SQLSTATE 57014, or
 * with its result when that was faster. 8 requests are under way at a time, the others wait; one
 * that hit nothing is sent again. One that the server refuses ends the op with -ECANCELED and
 * breaks the connection. Nothing when no statement runs. */
void pgconn_cancel(struct pgconn *c);
/* Server process id, for signing the scope setting; 0 before it is open. */
int pgconn_backend_pid(const struct pgconn *c);
/* NOTIFY is not used; notices go to the log at debug. */

/* --- results: `i` counts the statements of a batch or script (0 for exec) */
size_t pgresult_count(const struct pgresult *r);
size_t pgresult_rows(const struct pgresult *r, size_t i);
size_t pgresult_columns(const struct pgresult *r, size_t i);
int64_t pgresult_affected(const struct pgresult *r, size_t i); /* of the command tag; 0 if none */
const char *pgresult_column_name(const struct pgresult *r, size_t i, size_t column);
enum pg_type {
	PG_TYPE_BOOL,
	PG_TYPE_INT,   /* int2, int4, int8 */
	PG_TYPE_FLOAT, /* float4, float8 */
	PG_TYPE_NUMERIC,
	PG_TYPE_DATE,
	PG_TYPE_TIMESTAMP, /* without zone */
	PG_TYPE_TIMESTAMPTZ,
	PG_TYPE_TEXT, /* and whatever else */
};
enum pg_type pgresult_column_type(const struct pgresult *r, size_t i, size_t column);
/* The text, or NULL for SQL null. Out of range is a bug (ASSERT). */
const char *pgresult_text(const struct pgresult *r, size_t i, size_t row, size_t column);
struct slice pgresult_slice(const struct pgresult *r, size_t i, size_t row, size_t column);
/* Typed access: null or not a number is a bug of the statement (ASSERT). */
int64_t pgresult_i64(const struct pgresult *r, size_t i, size_t row, size_t column);
bool pgresult_bool(const struct pgresult *r, size_t i, size_t row, size_t column);

/* What to do about an error, by SQLSTATE class. */
enum pg_error_class {
	PG_ERROR_CONNECTION, /* 08, 57P0x, 53, lost, none to be had: wait and try again */
	PG_ERROR_RETRY,      /* 40001, 40P01, 55P03: the whole transaction again */
	PG_ERROR_UNIQUE,     /* 23505 */
	PG_ERROR_DATA,       /* 22xxx, other 23xxx: the data is at fault */
	PG_ERROR_CANCELLED,  /* 57014 (also by statement_timeout), -ECANCELED */
	PG_ERROR_BUG,        /* anything else */
};
enum pg_error_class pg_error_class(const struct err *e);
/* The URL without password, for logs: "postgresql://analytics_etld@host:port/db". */
void pg_safe_target(const char *url, char *out, size_t size);

#endif
