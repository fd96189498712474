/*
 * L2: what the files behind pgconn.h share, and nobody else includes: pgconn.c (life of a
 * connection, starting ops), pgconn_io.c (driving the running op), pgresult.c (what came back) and
 * pgcancel.c (asking the server to stop). With this header they are the only users of libpq.
 */
#ifndef COMMON_PGCONN_PRIV_H
#define COMMON_PGCONN_PRIV_H

#include <libpq-fe.h>
#include <sys/queue.h>

#include "common/pg/pgconn.h"

struct event;
struct pgcancel;

struct pgresult {
	PGresult **items; /* one per statement that succeeded, in order */
	size_t count, cap;
};

void pgresult_push(struct pgresult *r, PGresult *item); /* takes item */
void pgresult_clear(struct pgresult *r);
/* Sets e from a failed result of `name`: SQLSTATE and primary message. Returns code. */
int pgresult_error(const PGresult *res, int code, const char *name, struct err *e);
/* Sets e from a connection that could not be opened: -EACCES when the role was refused. */
int pgresult_connect_error(PGconn *pg, struct err *e);

/* What the running op waits for. */
enum pgop_phase {
	PGOP_NONE,     /* no op runs */
	PGOP_OPEN,     /* PQconnectPoll to finish */
	PGOP_PIPELINE, /* the results of steps[step…], then the sync */
	PGOP_SCRIPT,   /* the results of a simple query, up to the NULL */
	PGOP_COPY,     /* the socket to take more of copies[copy] */
	PGOP_HELD,     /* all is answered, but a cancel request is still under way */
	PGOP_ROLLBACK, /* the answer to a rollback after a failed op */
	PGOP_PHASE_COUNT,
};

/* One message of a pipeline. */
struct pgstep {
	const struct sql_stmt *stmt;
	bool prepare; /* else execute */
};

struct pgconn {
	unsigned magic;
	int depth;   /* frames of this module on the stack: freed when the last is left */
	bool closed; /* by the user */
	bool spent;  /* to be dropped when the running op ends */

	struct event_base *base;
	PGconn *pg;              /* NULL: broken */
	struct event *io;        /* on PQsocket(pg); NULL when pg is */
	short watched;           /* its flags */
	struct event *timer;     /* deadline of the running op */
	struct event *turn;      /* tells the end of an op that ended inside a call of its user */
	struct event *again;     /* the running op was to be stopped, and runs on: asks once more */
	struct pgcancel *cancel; /* asks the server to stop the running op, or NULL */
	bool cancel_waits;       /* for fewer of these to be under way */
	TAILQ_ENTRY(pgconn) cancel_link;
	void (*on_broken)(void *);
	void *on_broken_arg;

	const struct sql_stmt **prepared; /* on this connection; statements are constants */
	size_t nprepared, prepared_cap;

	/* the running op */
	enum pgop_phase phase;
	pgconn_fn fn;
	void *arg;
	int64_t timeout_ms;
	bool outside;   /* it began outside a transaction block */
	struct err err; /* its first error; code 0: none so far */
	struct pgresult results;
	struct pgstep *steps; /* PIPELINE */
	size_t nsteps, steps_cap, step;
	PGresult *gathered; /* rows so far of an unnamed statement, which come one by one */
	size_t gathered_bytes;
	struct slice *copies; /* SCRIPT and COPY; a copy of the array, the bytes are borrowed */
	size_t ncopies, copy, copied;
};

#define PGCONN_MAGIC OBJ_MAGIC(0x50)

#define PGCONN_GATHER_MAX   ((size_t)16 << 20) /* bytes of the result of an unnamed statement */
#define PGCONN_ROW_OVERHEAD 64                 /* what libpq keeps for a row, about */

/* --- pgconn.c */
/* pgconn_open with libpq's own keywords (NULL-terminated arrays, borrowed for the call). */
struct pgconn *pgconn_open_params(struct event_base *base, const char *const *keywords,
				  const char *const *values, int64_t timeout_ms, pgconn_fn on_open,
				  void *arg) MUST_CHECK;
/* Every callback from the loop runs between these two: leave frees a connection closed meanwhile.
 */
void pgconn_enter(struct pgconn *c);
void pgconn_leave(struct pgconn *c);
void pgconn_watch(struct pgconn *c, bool writing); /* for reading always, until told otherwise */
void pgconn_drop(struct pgconn *c);                /* gives up the socket: broken from here on */
/* Ends the running op; its callback may start another, or close c. The last thing to be done. */
void pgconn_finish(struct pgconn *c);
/* For a connection that was dropped: ends the op, or tells the owner of an idle one. Likewise. */
void pgconn_ended(struct pgconn *c);
/* libpq refused to send, maybe in the middle of an op: the connection is dropped, and what ends
 * with it is told with the next turn. */
void pgconn_refused(struct pgconn *c);

/* --- pgconn_io.c */
/* What errors of the running op are about: the statement's name, "commit", "script" or "connect".
 */
const char *pgconn_op_name(const struct pgconn *c);
/* Before the first result of a step of a pipeline is looked for. */
void pgconn_expect_step(struct pgconn *c);
void pgconn_progress(struct pgconn *c); /* as far as it goes without blocking */
void pgconn_arm(struct pgconn *c);      /* flushes and watches what is needed next */
/* The cancel request of c has ended; !sure: it failed, or may still hit a later statement. */
void pgconn_cancel_ended(struct pgconn *c, bool sure);

/* --- pgcancel.c */
/* Asks for c's running statement to be cancelled; NULL when too many requests are under way. */
struct pgcancel *pgcancel_start(struct pgconn *c);
/* The same in c's turn: c->cancel is set now or later, unless c is forgotten before. */
void pgcancel_queue(struct pgconn *c);
void pgcancel_forget(struct pgconn *c); /* nothing when it does not wait */
/* Takes pg, which the owner gives up: kept open, unread, until the request ended, so that the
 * server cannot give its process id to an innocent backend before. */
void pgcancel_park(struct pgcancel *k, PGconn *pg);
void pgcancel_free(struct pgcancel *k); /* the owner is not told */
void pgcancel_free_all(const struct event_base *base);

#endif
