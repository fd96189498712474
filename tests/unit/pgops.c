/* Ops of pgconn, one at a time; see pgops.h. */
#include "tests/unit/pgops.h"

#include <check.h>
#include <event2/event.h>

struct event_base *base;
struct pgconn *conn;

void on_outcome(void *arg, const struct pgresult *r, const struct err *e)
{
	struct outcome *o = arg;
	const char *text = NULL;

	o->done = true;
	o->calls++;
	ck_assert(e == NULL || (r == NULL && e->code < 0 && e->msg[0] != '\0'));
	if (e != NULL)
		o->err = *e;
	if (r != NULL) {
		o->count = pgresult_count(r);
		o->rows = pgresult_rows(r, 0);
	}
	if (o->rows != 0 && pgresult_columns(r, 0) != 0)
		text = pgresult_text(r, 0, 0, 0);
	(void)snprintf(o->text, sizeof(o->text), "%.60s", text != NULL ? text : "");
	if (text != NULL && strcmp(pgresult_column_name(r, 0, 0), "count") == 0)
		o->first = pgresult_i64(r, 0, 0, 0);
	pgconn_close(o->close_me);
}

void wait_outcome(struct outcome *o)
{
	pgfixture_loop(base, &o->done);
	ck_assert_int_eq(o->calls, 1);
}

struct pgconn *open_url(const char *url, int64_t timeout_ms, struct outcome *o)
{
	struct pgconn_options options = {
		.url = url,
		.application = "unit",
		.settings = "-c statement_timeout=60s",
		.connect_timeout_ms = timeout_ms,
	};
	struct pgconn *c;

	*o = (struct outcome){.calls = 0};
	c = pgconn_open(base, &options, on_outcome, o);
	ck_assert(!o->done && pgconn_busy(c));
	wait_outcome(o);
	return c;
}

struct pgconn *open_ok(void)
{
	struct outcome o;
	struct pgconn *c = open_url(pgfixture_url(), LONG_MS, &o);

	ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
	ck_assert(!pgconn_busy(c) && !pgconn_broken(c) && !pgconn_in_transaction(c));
	ck_assert_int_gt(pgconn_backend_pid(c), 0);
	return c;
}

struct outcome exec_on(struct pgconn *c, const struct sql_stmt *s, const char *const *params)
{
	struct outcome o = {.calls = 0};

	pgconn_exec(c, s, params, LONG_MS, on_outcome, &o);
	ck_assert(!o.done && pgconn_busy(c));
	wait_outcome(&o);
	ck_assert(!pgconn_busy(c));
	return o;
}

struct outcome exec(const struct sql_stmt *s, const char *param)
{
	const char *params[] = {param, NULL, NULL};

	ck_assert_int_le(s->nparams, 3);
	return exec_on(conn, s, params);
}

void exec_ok(const struct sql_stmt *s, const char *param)
{
	struct outcome o = exec(s, param);

	ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
}

struct outcome batch(const struct pgstmt *stmts, size_t n)
{
	struct outcome o = {.calls = 0};

	pgconn_batch(conn, stmts, n, LONG_MS, on_outcome, &o);
	ck_assert(!o.done);
	wait_outcome(&o);
	return o;
}

struct outcome script(const char *text, const struct slice *copies, size_t n)
{
	struct outcome o = {.calls = 0};

	pgconn_script(conn, text, copies, n, LONG_MS, on_outcome, &o);
	ck_assert(!o.done);
	wait_outcome(&o);
	return o;
}

void script_ok(const char *text)
{
	struct outcome o = script(text, NULL, 0);

	ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
}

void wait_sleepers(int n)
{
	STMT(count_sleepers, 0,
	     "select count(*) from pg_stat_activity where wait_event = 'PgSleep'");

	while (exec(&count_sleepers, NULL).first != n)
		pgfixture_idle(base, 5);
}

void end_sleepers(void)
{
	pgfixture_sql("select pg_terminate_backend(pid) from pg_stat_activity "
		      "where wait_event = 'PgSleep'");
	wait_sleepers(0);
}

void expect_error(const struct outcome *o, int code, const char *sqlstate, const char *msg)
{
	ck_assert_int_eq(o->err.code, code);
	ck_assert_str_eq(o->err.sqlstate, sqlstate);
	ck_assert_msg(strstr(o->err.msg, msg) != NULL, "'%s' without '%s'", o->err.msg, msg);
}

void pgops_setup(void)
{
	base = event_base_new();
	ck_assert(base != NULL);
	conn = open_ok();
}

void pgops_teardown(void)
{
	pgconn_close(conn);
	event_base_free(base);
	libevent_global_shutdown();
}
