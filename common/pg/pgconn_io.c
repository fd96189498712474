/*
 * L2: drives the running op of a connection: sends, feeds COPY, takes results until libpq has none,
 * and decides what the socket is watched for. See pgconn.h for the promises kept here.
 *
 * The socket is watched for reading always, else a server that waits for us to read while we wait
 * to write would hang both; for writing only while something is unsent. All results that have
 * arrived are taken at once: libpq's buffer raises no event. The server's own farewell (57P01)
 * arrives before the end of the stream, so results are taken before the connection's state is
 * looked at.
 */
#include "common/pg/pgconn_priv.h"

#include <errno.h>
#include <event2/event.h>

#include "common/base/xalloc.h"
#include "sql_gen.h"

/* libpq copies what it is given and buffers it without limit, so a chunk waits until the one before
 * it is on its way; and the loop gets its turn every so many chunks. */
#define COPY_CHUNK  (((size_t)64 << 10) - 5) /* with its header what libpq sends at once */
#define COPY_BUDGET 32
/* After a cancel request was taken: how long its statement has until another is sent. */
#define CANCEL_AGAIN_MS 250

enum take {
	TAKE_MORE,   /* go on */
	TAKE_DONE,   /* the op is answered */
	TAKE_BROKEN, /* an answer that makes no sense: the connection is useless */
};

static bool is_unnamed(const struct pgconn *c)
{
	return c->step < c->nsteps && c->steps[c->step].stmt->name[0] == '\0';
}

const char *pgconn_op_name(const struct pgconn *c)
{
	if (c->phase != PGOP_PIPELINE)
		return c->phase == PGOP_OPEN ? "connect" : "script";
	if (c->step >= c->nsteps)
		return "commit";
	return is_unnamed(c) ? "unnamed" : c->steps[c->step].stmt->name;
}

static bool is_success(const PGresult *res)
{
	ExecStatusType s = PQresultStatus(res);

	return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK || s == PGRES_EMPTY_QUERY;
}

/* The statement must be prepared anew (its tables changed, or a pooler dropped it). */
static bool is_stale(const PGresult *res)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *function = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);

	if (sqlstate == NULL)
		return false;
	return strcmp(sqlstate, "26000") == 0 ||
	       (strcmp(sqlstate, "0A000") == 0 && function != NULL &&
		strcmp(function, "RevalidateCachedQuery") == 0);
}

/* Takes the failed result of the current statement; the first error of an op is its error. */
static enum take take_error(struct pgconn *c, PGresult *res)
{
	if (c->err.code == 0) {
		bool stale = is_stale(res);

		c->spent |= stale;
		(void)pgresult_error(res, stale ? -EAGAIN : -EIO, pgconn_op_name(c), &c->err);
	}
	PQclear(res);
	return TAKE_MORE;
}

static enum take take_nonsense(struct pgconn *c, PGresult *res)
{
	if (c->err.code == 0)
		(void)err_set(&c->err, -EIO, "%s: unexpected answer %s", pgconn_op_name(c),
			      PQresStatus(PQresultStatus(res)));
	PQclear(res);
	return TAKE_BROKEN;
}

/* ---- rows of an unnamed statement: text that a client wrote, so its result is bounded here, row
 * by row, and not when all of it is in memory */

void pgconn_expect_step(struct pgconn *c)
{
	if (is_unnamed(c) && c->err.code == 0)
		(void)PQsetSingleRowMode(c->pg); /* refused when the step was skipped */
}

/* Moves the row of `res` to those gathered. */
static void gather(struct pgconn *c, const PGresult *res)
{
	int row;

	if (c->gathered == NULL)
		c->gathered = PQcopyResult(res, PG_COPYRES_ATTRS);
	ASSERT(c->gathered != NULL);
	row = PQntuples(c->gathered);
	c->gathered_bytes += PGCONN_ROW_OVERHEAD;
	for (int column = 0; column < PQnfields(res); column++) {
		bool null = PQgetisnull(res, 0, column) != 0;
		int len = PQgetlength(res, 0, column);
		/* libpq wants it writable, and copies it */
		char *value = null ? NULL : PQgetvalue(res, 0, column);
		int ok = PQsetvalue(c->gathered, row, column, value, null ? -1 : len);

		ASSERT(ok != 0);
		c->gathered_bytes += (size_t)len;
	}
}

static void take_row(struct pgconn *c, PGresult *res)
{
	if (c->err.code == 0)
		gather(c, res);
	PQclear(res);
	if (c->err.code == 0 && c->gathered_bytes > PGCONN_GATHER_MAX) {
		(void)err_set(&c->err, -E2BIG, "the result has more than %zu bytes",
			      PGCONN_GATHER_MAX);
		pgconn_cancel(c);
	}
}

/* The result that ends the step: it has the command's tag, and the rows when there were none. */
static PGresult *take_gathered(struct pgconn *c, PGresult *res)
{
	PGresult *all = c->gathered;

	if (all == NULL)
		return res;
	PQclear(res);
	c->gathered = NULL;
	c->gathered_bytes = 0;
	return all;
}

static void mark_prepared(struct pgconn *c, const struct sql_stmt *s)
{
	if (c->nprepared == c->prepared_cap) {
		c->prepared_cap = c->prepared_cap != 0 ? 2 * c->prepared_cap : 16;
		c->prepared = xreallocarray(c->prepared, c->prepared_cap,
					    sizeof(struct sql_stmt *));
	}
	c->prepared[c->nprepared++] = s;
}

/* Each step answers with one result and a NULL, the sync with a result alone. An error of the
 * commit itself (a deferred constraint) comes between the two. */
static enum take take_pipeline(struct pgconn *c, PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	if (res == NULL) {
		c->step++;
		pgconn_expect_step(c);
		return c->step <= c->nsteps + 1 ? TAKE_MORE : take_nonsense(c, res);
	}
	if (status == PGRES_FATAL_ERROR)
		return take_error(c, res);
	if (status == PGRES_SINGLE_TUPLE) {
		take_row(c, res);
		return TAKE_MORE;
	}
	if (is_success(res) && c->step < c->nsteps) {
		if (!c->steps[c->step].prepare) {
			pgresult_push(&c->results, take_gathered(c, res));
			return TAKE_MORE;
		}
		mark_prepared(c, c->steps[c->step].stmt);
	} else if (status != PGRES_PIPELINE_SYNC && status != PGRES_PIPELINE_ABORTED) {
		return take_nonsense(c, res);
	}
	PQclear(res);
	return status == PGRES_PIPELINE_SYNC ? TAKE_DONE : TAKE_MORE;
}

static enum take take_script(struct pgconn *c, PGresult *res)
{
	if (res == NULL) {
		if (PQstatus(c->pg) ==
		    CONNECTION_BAD) /* the end of the stream, not of the script */
			return TAKE_BROKEN;
		ASSERT(c->err.code != 0 || c->copy == c->ncopies);
		return TAKE_DONE;
	}
	if (PQresultStatus(res) == PGRES_FATAL_ERROR)
		return take_error(c, res);
	if (is_success(res)) {
		pgresult_push(&c->results, res);
		return TAKE_MORE;
	}
	if (PQresultStatus(res) != PGRES_COPY_IN)
		return take_nonsense(c, res);
	ASSERT(c->copy < c->ncopies);
	c->phase = PGOP_COPY;
	c->copied = 0;
	PQclear(res);
	return TAKE_MORE;
}

/* Whether it worked shows in the transaction status. */
static enum take take_rollback(struct pgconn *c, PGresult *res)
{
	(void)c;
	PQclear(res);
	return res == NULL ? TAKE_DONE : TAKE_MORE;
}

/* A phase without an entry does not wait for results. */
static enum take (*const takers[PGOP_PHASE_COUNT])(struct pgconn *, PGresult *) = {
	[PGOP_PIPELINE] = take_pipeline,
	[PGOP_SCRIPT] = take_script,
	[PGOP_ROLLBACK] = take_rollback,
};

/*
 * Sends what the socket takes of the current COPY; true when all of it, and its end, is sent or
 * buffered. An error the server found meanwhile is told by libpq only after that end; the rest of
 * the bytes goes to a server that throws them away.
 */
static bool copy_feed(struct pgconn *c)
{
	const struct slice *s = &c->copies[c->copy];
	int r = 1, unsent = 0;

	for (int i = 0; i < COPY_BUDGET && r == 1 && unsent == 0; i++) {
		size_t n = s->len - c->copied < COPY_CHUNK ? s->len - c->copied : COPY_CHUNK;

		if (n == 0) {
			r = PQputCopyEnd(c->pg, NULL);
			if (r == 1) {
				c->copy++;
				c->phase = PGOP_SCRIPT;
				return true;
			}
			break;
		}
		r = PQputCopyData(c->pg, s->ptr + c->copied, (int)n);
		if (r == 1)
			c->copied += n;
		unsent = PQflush(c->pg);
	}
	if (r < 0 || unsent < 0)
		pgconn_refused(c);
	return false;
}

static bool rollback_start(struct pgconn *c)
{
	c->phase = PGOP_ROLLBACK;
	return PQexitPipelineMode(c->pg) != 0 &&
	       PQsendQuery(c->pg, SQL_common_rollback_transaction.text) != 0;
}

/* The server has answered all of the op. True when that ended it; false when it has to wait. */
static bool op_settle(struct pgconn *c)
{
	bool dirty = c->err.code != 0 && c->outside && pgconn_in_transaction(c);

	if (c->cancel != NULL) {
		c->phase = PGOP_HELD;
		return false;
	}
	if (dirty && c->phase != PGOP_ROLLBACK && rollback_start(c))
		return false;
	c->spent |= dirty;
	pgconn_arm(c);
	pgconn_finish(c);
	return true;
}

static void op_lost(struct pgconn *c)
{
	const char *message = PQerrorMessage(c->pg);
	bool unknown = c->phase != PGOP_HELD && c->phase != PGOP_ROLLBACK;

	if (unknown && c->err.code != 0) /* the server said goodbye: its words are better */
		c->err.code = -ECONNRESET;
	else if (unknown)
		(void)err_set(&c->err, -ECONNRESET, "%s: connection lost: %.*s", pgconn_op_name(c),
			      (int)strcspn(message, "\n"), message);
	pgconn_drop(c);
	pgconn_ended(c);
}

void pgconn_progress(struct pgconn *c)
{
	enum take take = TAKE_MORE;

	while (take != TAKE_BROKEN) {
		if (c->phase == PGOP_COPY && !copy_feed(c))
			break;
		if (PQisBusy(c->pg) != 0 || takers[c->phase] == NULL)
			break;
		take = takers[c->phase](c, PQgetResult(c->pg));
		if (take == TAKE_DONE && op_settle(c))
			return;
	}
	if (c->pg == NULL) /* refused by copy_feed */
		return;
	if (PQstatus(c->pg) == CONNECTION_BAD) {
		op_lost(c);
	} else if (take == TAKE_BROKEN) {
		pgconn_drop(c);
		pgconn_finish(c);
	} else {
		pgconn_arm(c);
	}
}

void pgconn_arm(struct pgconn *c)
{
	int unsent = PQflush(c->pg);

	if (unsent < 0 || PQsocket(c->pg) < 0)
		pgconn_refused(c);
	else
		pgconn_watch(c, unsent != 0 || c->phase == PGOP_COPY);
}

/* A request that arrived between two statements hit none, so one is sent again while the op runs.
 * One that the server did not take (the role has no connection left) may never be taken: the
 * connection is given up, and a server with client_connection_check_interval stops by itself. */
void pgconn_cancel_ended(struct pgconn *c, bool sure)
{
	static const struct timeval pause = {0, CANCEL_AGAIN_MS * 1000};

	pgconn_enter(c);
	c->cancel = NULL;
	c->spent |= !sure;
	if (c->phase == PGOP_HELD) {
		if (!op_settle(c))
			pgconn_arm(c);
	} else if (sure) {
		(void)event_add(c->again, &pause);
	} else {
		if (c->err.code == 0)
			(void)err_set(&c->err, -ECANCELED,
				      "%s: given up, the server did not cancel", pgconn_op_name(c));
		pgconn_drop(c);
		pgconn_finish(c);
	}
	pgconn_leave(c);
}
