/*
 * L2: the life of one Postgres connection and the start of its ops; see pgconn.h. pgconn_io.c
 * drives a running op to its end.
 *
 * libpq never blocks here (except for name resolution, see pgconn.h): connecting is PQconnectPoll
 * on one-shot events, everything else runs on a non-blocking connection. Every callback of the loop
 * runs between pgconn_enter and pgconn_leave; a connection closed by its user inside a callback
 * is freed by the last leave, so no frame is left with a dangling pointer.
 */
#include "common/pg/pgconn_priv.h"

#include <errno.h>
#include <event2/event.h>

#include "common/base/xalloc.h"
#include "common/daemon/log.h"

static void on_connect(evutil_socket_t fd, short what, void *arg);
static void on_socket(evutil_socket_t fd, short what, void *arg);

/* --- life */

void pgconn_enter(struct pgconn *c)
{
	OBJ_CHECK(c, PGCONN_MAGIC);
	c->depth++;
}

void pgconn_leave(struct pgconn *c)
{
	if (--c->depth > 0 || !c->closed)
		return;
	event_free(c->timer);
	event_free(c->turn);
	event_free(c->again);
	free(c->prepared);
	free(c->steps);
	free(c->copies);
	c->magic = 0;
	free(c);
}

static void watch(struct pgconn *c, short events, event_callback_fn fn)
{
	int r;

	if (c->io != NULL)
		event_free(c->io);
	c->watched = events;
	c->io = event_new(c->base, PQsocket(c->pg), events, fn, c);
	ASSERT(c->io != NULL);
	r = event_add(c->io, NULL);
	ASSERT(r == 0);
}

void pgconn_watch(struct pgconn *c, bool writing)
{
	short events = writing ? EV_READ | EV_WRITE | EV_PERSIST : EV_READ | EV_PERSIST;

	if (c->io == NULL || c->watched != events)
		watch(c, events, on_socket);
}

void pgconn_drop(struct pgconn *c)
{
	if (c->io != NULL)
		event_free(c->io); /* before the socket goes, and its number to somebody else */
	c->io = NULL;
	PQfinish(c->pg);
	c->pg = NULL;
	c->nprepared = 0;
}

void pgconn_finish(struct pgconn *c)
{
	pgconn_fn fn = c->fn;
	void *arg = c->arg;
	struct pgresult results = c->results;
	struct err err = c->err;

	ASSERT(c->phase != PGOP_NONE && c->depth > 0);
	(void)event_del(c->timer);
	(void)event_del(c->turn);
	(void)event_del(c->again);
	pgcancel_forget(c);
	if (c->cancel != NULL)
		pgcancel_free(c->cancel);
	c->cancel = NULL;
	if (c->spent)
		pgconn_drop(c);
	PQclear(c->gathered);
	c->gathered = NULL;
	c->gathered_bytes = 0;
	c->phase = PGOP_NONE;
	c->results = (struct pgresult){.items = NULL};
	if (err.code != 0)
		fn(arg, NULL, &err);
	else
		fn(arg, results.count != 0 ? &results : NULL, NULL);
	pgresult_clear(&results);
}

void pgconn_ended(struct pgconn *c)
{
	if (c->phase != PGOP_NONE)
		pgconn_finish(c);
	else if (c->on_broken != NULL)
		c->on_broken(c->on_broken_arg);
}

void pgconn_refused(struct pgconn *c)
{
	const char *message = PQerrorMessage(c->pg);

	if (c->err.code == 0)
		(void)err_set(&c->err, -ECONNRESET, "%s: %.*s", pgconn_op_name(c),
			      (int)strcspn(message, "\n"), message);
	pgconn_drop(c);
	event_active(c->turn, 0, 0);
}

/* The op's time is over. Its statement may still run: see pgcancel_park. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pgconn *c = arg;

	(void)fd;
	(void)what;
	pgconn_enter(c);
	if (c->phase != PGOP_HELD && c->err.code == 0) /* else its outcome is known */
		(void)err_set(&c->err, -ETIMEDOUT, "%s: not done within %lld ms", pgconn_op_name(c),
			      (long long)c->timeout_ms);
	pgcancel_forget(c);
	if (c->phase != PGOP_OPEN && c->pg != NULL) {
		if (c->cancel == NULL)
			c->cancel = pgcancel_start(c);
		if (c->cancel != NULL) {
			event_free(c->io);
			c->io = NULL;
			pgcancel_park(c->cancel, c->pg);
			c->cancel = NULL;
			c->pg = NULL;
		}
	}
	pgconn_drop(c);
	pgconn_finish(c);
	pgconn_leave(c);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct pgconn *c = arg;

	(void)fd;
	(void)what;
	pgconn_enter(c);
	pgconn_ended(c);
	pgconn_leave(c);
}

static bool can_be_cancelled(const struct pgconn *c)
{
	return c->pg != NULL &&
	       (c->phase == PGOP_PIPELINE || c->phase == PGOP_SCRIPT || c->phase == PGOP_COPY);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct pgconn *c = arg;

	(void)fd;
	(void)what;
	pgconn_cancel(c);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct pgconn *c = arg;

	(void)fd;
	(void)what;
	pgconn_enter(c);
	/* failure shows in PQstatus, after what had arrived before it was read */
	(void)PQconsumeInput(c->pg);
	pgconn_progress(c);
	pgconn_leave(c);
}

void pgconn_move(struct pgconn *c)
{
	bool runs = c->phase == PGOP_SCRIPT || c->phase == PGOP_COPY || c->phase == PGOP_ROLLBACK;

	if (c->pg == NULL || !runs)
		return;
	on_socket(-1, 0, c);
}

static void on_notice(void *arg, const PGresult *res)
{
	struct err e = ERR_INIT;

	(void)arg;
	(void)pgresult_error(res, -EIO, "notice", &e);
	log_debug("postgres notice", LOG_S("sqlstate", e.sqlstate), LOG_S("notice", e.msg));
}

static struct pgconn *conn_new(struct event_base *base)
{
	struct pgconn *c = xcalloc(1, sizeof(*c));

	c->magic = PGCONN_MAGIC;
	c->base = base;
	c->timer = evtimer_new(base, on_timer, c);
	c->turn = event_new(base, -1, 0, on_turn, c);
	c->again = evtimer_new(base, on_again, c);
	ASSERT(c->timer != NULL && c->turn != NULL && c->again != NULL);
	return c;
}

/* --- starting an op */

/* Common to all ops; false: it has failed already, and its callback comes with the next turn. */
static bool op_begin(struct pgconn *c, enum pgop_phase phase, int64_t timeout_ms, pgconn_fn fn,
		     void *arg)
{
	struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

	OBJ_CHECK(c, PGCONN_MAGIC);
	ASSERT(c->phase == PGOP_NONE && !c->closed && timeout_ms > 0);
	c->phase = phase;
	c->fn = fn;
	c->arg = arg;
	c->timeout_ms = timeout_ms;
	c->err = ERR_INIT;
	c->nsteps = c->step = 0;
	c->ncopies = c->copy = c->copied = 0;
	(void)event_add(c->timer, &tv);
	if (phase == PGOP_OPEN)
		return true;
	if (c->pg == NULL) {
		(void)err_set(&c->err, -ECONNRESET, "connection lost before this statement");
		event_active(c->turn, 0, 0);
		return false;
	}
	c->outside = PQtransactionStatus(c->pg) == PQTRANS_IDLE;
	return true;
}

static bool is_prepared(const struct pgconn *c, const struct sql_stmt *s)
{
	for (size_t i = 0; i < c->nprepared; i++) {
		if (c->prepared[i] == s)
			return true;
	}
	for (size_t i = 0; i < c->nsteps; i++) { /* earlier in this batch */
		if (c->steps[i].stmt == s)
			return true;
	}
	return false;
}

static void step_push(struct pgconn *c, const struct sql_stmt *s, bool prepare)
{
	if (c->nsteps == c->steps_cap) {
		c->steps_cap = c->steps_cap != 0 ? 2 * c->steps_cap : 8;
		c->steps = xreallocarray(c->steps, c->steps_cap, sizeof(*c->steps));
	}
	c->steps[c->nsteps++] = (struct pgstep){s, prepare};
}

static bool send_statement(struct pgconn *c, const struct pgstmt *p)
{
	const struct sql_stmt *s = p->stmt;

	if (s->name[0] == '\0') {
		if (PQsendQueryParams(c->pg, s->text, s->nparams, NULL, p->params, NULL, NULL, 0) ==
		    0)
			return false;
		step_push(c, s, false);
		return true;
	}
	if (!is_prepared(c, s)) {
		if (PQsendPrepare(c->pg, s->name, s->text, 0, NULL) == 0)
			return false;
		step_push(c, s, true);
	}
	if (PQsendQueryPrepared(c->pg, s->name, s->nparams, p->params, NULL, NULL, 0) == 0)
		return false;
	step_push(c, s, false);
	return true;
}

void pgconn_batch(struct pgconn *c, const struct pgstmt *stmts, size_t n, int64_t timeout_ms,
		  pgconn_fn fn, void *arg)
{
	bool ok;

	ASSERT(n > 0);
	if (!op_begin(c, PGOP_PIPELINE, timeout_ms, fn, arg))
		return;
	ok = PQenterPipelineMode(c->pg) != 0; /* also when it is in it already */
	for (size_t i = 0; i < n && ok; i++)
		ok = send_statement(c, &stmts[i]);
	if (!ok || PQpipelineSync(c->pg) == 0) {
		pgconn_refused(c);
		return;
	}
	pgconn_expect_step(c);
	pgconn_arm(c);
}

void pgconn_exec(struct pgconn *c, const struct sql_stmt *s, const char *const *params,
		 int64_t timeout_ms, pgconn_fn fn, void *arg)
{
	struct pgstmt one = {s, params};

	pgconn_batch(c, &one, 1, timeout_ms, fn, arg);
}

void pgconn_script(struct pgconn *c, const char *text, const struct slice *copies, size_t ncopies,
		   int64_t timeout_ms, pgconn_fn fn, void *arg)
{
	if (!op_begin(c, PGOP_SCRIPT, timeout_ms, fn, arg))
		return;
	if (ncopies != 0) {
		c->copies = xreallocarray(c->copies, ncopies, sizeof(*copies));
		memcpy(c->copies, copies, ncopies * sizeof(*copies));
		c->ncopies = ncopies;
	}
	if (PQexitPipelineMode(c->pg) == 0 || PQsendQuery(c->pg, text) == 0)
		pgconn_refused(c);
	else
		pgconn_arm(c);
}

/* --- opening and closing */

static void open_failed(struct pgconn *c)
{
	if (c->pg != NULL)
		(void)pgresult_connect_error(c->pg, &c->err);
	else
		(void)err_set(&c->err, -ENOMEM, "out of memory connecting to Postgres");
	pgconn_drop(c);
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
	struct pgconn *c = arg;
	PostgresPollingStatusType status;

	(void)fd;
	(void)what;
	pgconn_enter(c);
	status = PQconnectPoll(c->pg);
	/* a new event each time: libpq may have closed the socket and opened another with the same
	 * number (next host, no SSL), which the old event would never hear of */
	if (status == PGRES_POLLING_READING) {
		watch(c, EV_READ, on_connect);
	} else if (status == PGRES_POLLING_WRITING) {
		watch(c, EV_WRITE, on_connect);
	} else if (status == PGRES_POLLING_OK && PQsetnonblocking(c->pg, 1) == 0) {
		watch(c, EV_READ | EV_PERSIST, on_socket);
		pgconn_finish(c);
	} else {
		open_failed(c);
		pgconn_finish(c);
	}
	pgconn_leave(c);
}

struct pgconn *pgconn_open_params(struct event_base *base, const char *const *keywords,
				  const char *const *values, int64_t timeout_ms, pgconn_fn on_open,
				  void *arg)
{
	struct pgconn *c = conn_new(base);

	(void)op_begin(c, PGOP_OPEN, timeout_ms, on_open, arg);
	c->pg = PQconnectStartParams(keywords, values, 1);
	if (c->pg == NULL || PQstatus(c->pg) == CONNECTION_BAD) {
		open_failed(c);
		event_active(c->turn, 0, 0);
		return c;
	}
	(void)PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE); /* see find_sqlstate */
	(void)PQsetNoticeReceiver(c->pg, on_notice, NULL);
	watch(c, EV_WRITE, on_connect);
	return c;
}

struct pgconn *pgconn_open(struct event_base *base, const struct pgconn_options *o,
			   pgconn_fn on_open, void *arg)
{
	/* later ones win, and NULL or empty ones count as not given. No GSS: looking for Kerberos
	 * credentials at every login costs more than the login */
	const char *keywords[] = {"gssencmode", "dbname",   "client_encoding", "application_name",
				  "user",       "password", "options",         NULL};
	const char *values[] = {"disable", o->url,      "UTF8",      o->application,
				o->user,   o->password, o->settings, NULL};

	return pgconn_open_params(base, keywords, values, o->connect_timeout_ms, on_open, arg);
}

void pgconn_close(struct pgconn *c)
{
	if (c == NULL || c->closed)
		return;
	pgconn_enter(c);
	c->closed = true;
	pgconn_drop(c);
	if (c->phase != PGOP_NONE) {
		(void)err_set(&c->err, -ECANCELED, "connection closed");
		pgconn_finish(c);
	}
	pgconn_leave(c);
}

void pgconn_cancel(struct pgconn *c)
{
	OBJ_CHECK(c, PGCONN_MAGIC);
	if (can_be_cancelled(c) && c->cancel == NULL)
		pgcancel_queue(c);
}

/* --- questions */

bool pgconn_broken(const struct pgconn *c)
{
	return c->pg == NULL;
}

bool pgconn_busy(const struct pgconn *c)
{
	return c->phase != PGOP_NONE;
}

bool pgconn_in_transaction(const struct pgconn *c)
{
	return PQtransactionStatus(c->pg) != PQTRANS_IDLE;
}

void pgconn_on_broken(struct pgconn *c, void (*fn)(void *arg), void *arg)
{
	c->on_broken = fn;
	c->on_broken_arg = arg;
}

int pgconn_backend_pid(const struct pgconn *c)
{
	return c->pg != NULL && c->phase != PGOP_OPEN ? PQbackendPID(c->pg) : 0;
}
