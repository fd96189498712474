/* pgconn: how an op ends before its time: lost, late, cancelled, closed. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>

#include "common/base/strbuf.h"
#include "tests/unit/pgops.h"

STMT(one, 0, "select 1::bigint as count");
STMT(snooze, 1, "select pg_sleep($1::double precision)");
STMT(count_me, 1, "select count(*) from pg_stat_activity where pid = $1::integer");
STMT(begin_block, 0, "begin");

static const char *const fifty[] = {"50"};

/* Starts a long statement and waits until the server is at it. */
static void start_sleep(struct pgconn *c, struct outcome *o, int64_t timeout_ms)
{
	*o = (struct outcome){.calls = 0};
	pgconn_exec(c, &snooze, fifty, timeout_ms, on_outcome, o);
	wait_sleepers(1);
	ck_assert(!o->done && pgconn_busy(c));
}

static void on_flag(void *arg)
{
	ck_assert(!*(bool *)arg);
	*(bool *)arg = true;
}

/* --- lost */

START_TEST(test_backend_terminated)
{
	struct outcome o;
	struct pgconn *c = open_ok();
	bool told = false;

	pgconn_on_broken(c, on_flag, &told);
	start_sleep(c, &o, LONG_MS);
	pgfixture_sql("select pg_terminate_backend(%d)", pgconn_backend_pid(c));
	wait_outcome(&o);
	expect_error(&o, -ECONNRESET, "57P01", "snooze: terminating");
	ck_assert(pgconn_broken(c) && !told);
	o = exec_on(c, &one, NULL);
	expect_error(&o, -ECONNRESET, "", "lost");
	pgconn_close(c);
}
END_TEST

START_TEST(test_idle_backend_terminated)
{
	struct pgconn *c = open_ok();
	bool told = false;

	pgconn_on_broken(c, on_flag, &told);
	pgfixture_sql("select pg_terminate_backend(%d)", pgconn_backend_pid(c));
	pgfixture_loop(base, &told);
	ck_assert(pgconn_broken(c) && pgconn_in_transaction(c));
	ck_assert_int_eq(pgconn_backend_pid(c), 0);
	pgconn_close(c);
}
END_TEST

/* As in a crash: in the middle of a statement, and of a COPY whose bytes fill the socket. */
START_TEST(test_server_killed)
{
	struct strbuf b = STRBUF_INIT;
	struct outcome o, p = {.calls = 0}, q = {.calls = 0};
	struct pgconn *c = open_ok(), *d = open_ok(), *e = open_ok();
	struct slice copy;

	script_ok(
		"create table slow (v text); create function wait_long() returns trigger "
		"language plpgsql as 'begin perform pg_sleep(50); return new; end';"
		"create trigger w before insert on slow for each row execute function wait_long()");
	for (int i = 0; i < 1 << 20; i++)
		strbuf_append_str(&b, "12345678\n");
	copy = strbuf_slice(&b);
	start_sleep(c, &o, LONG_MS);
	pgconn_script(d, "begin; copy slow from stdin; commit", &copy, 1, LONG_MS, on_outcome, &p);
	pgconn_script(e, "select pg_sleep(50); copy slow from stdin", &copy, 1, LONG_MS, on_outcome,
		      &q);
	wait_sleepers(3);
	pgfixture_stop("immediate");
	wait_outcome(&o);
	wait_outcome(&p);
	wait_outcome(&q);
	ck_assert_int_eq(o.err.code, -ECONNRESET);
	ck_assert_int_eq(p.err.code, -ECONNRESET);
	ck_assert_int_eq(q.err.code, -ECONNRESET);
	ck_assert(pgconn_broken(c) && pgconn_broken(d));
	strbuf_clear(&b);
	pgconn_close(c);
	pgconn_close(d);
	pgconn_close(e);
	pgconn_close(open_url(pgfixture_url(), LONG_MS, &o));
	ck_assert_int_eq(o.err.code, -ECONNREFUSED);
	pgfixture_start();
	pgconn_close(conn);
	conn = open_ok();
	script_ok("drop table if exists slow; drop function if exists wait_long");
}
END_TEST

/* --- late */

START_TEST(test_deadline)
{
	struct outcome o;
	struct pgconn *c = open_ok();

	start_sleep(c, &o, 1000);
	wait_outcome(&o);
	expect_error(&o, -ETIMEDOUT, "", "within 1000 ms");
	ck_assert(pgconn_broken(c));
	pgconn_close(c);
	wait_sleepers(0); /* the server was asked to stop */
}
END_TEST

/* More at once than cancel requests are allowed: the rest is merely closed. */
START_TEST(test_many_deadlines)
{
	struct pgconn *c[12];
	struct outcome o[ARRAY_SIZE(c)];

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = open_ok();
		o[i] = (struct outcome){.calls = 0};
	}
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		pgconn_exec(c[i], &snooze, fifty, 300, on_outcome, &o[i]);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		wait_outcome(&o[i]);
		ck_assert_int_eq(o[i].err.code, -ETIMEDOUT);
		pgconn_close(c[i]);
	}
	wait_sleepers((int)ARRAY_SIZE(c) - 8);
	end_sleepers();
}
END_TEST

/* --- cancelled */

START_TEST(test_cancel)
{
	struct pgconn *c = open_ok();
	struct outcome o;

	pgconn_cancel(c); /* nothing runs */
	for (int i = 0; i < 3; i++) {
		start_sleep(c, &o, LONG_MS);
		pgconn_cancel(c);
		pgconn_cancel(c);
		wait_outcome(&o);
		expect_error(&o, -EIO, "57014", "snooze: canceling");
		ck_assert_int_eq(pg_error_class(&o.err), PG_ERROR_CANCELLED);
		ck_assert(!pgconn_broken(c));
		o = exec_on(c, &one, NULL);
		ck_assert_int_eq(o.err.code, 0);
	}
	pgconn_close(c);
}
END_TEST

/* A cancel that comes too late for its statement hits no other. */
START_TEST(test_cancel_races)
{
	static const char *const delays[] = {"0", "0.002", "0.004", "0.006", "0.008"};
	int cancelled = 0;

	for (size_t i = 0; i < 100; i++) {
		struct outcome o = {.calls = 0};

		pgconn_exec(conn, &snooze, &delays[i % ARRAY_SIZE(delays)], LONG_MS, on_outcome,
			    &o);
		pgconn_cancel(conn);
		wait_outcome(&o);
		if (o.err.code != 0) {
			expect_error(&o, -EIO, "57014", "snooze");
			cancelled++;
		}
		o = exec(&one, NULL);
		ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
	}
	ck_assert_int_lt(cancelled, 100);
}
END_TEST

/* More at once than requests are allowed: the others wait for their turn, and one that ends while
 * it waits has none. */
START_TEST(test_many_cancels)
{
	struct pgconn *c[20];
	struct outcome o[ARRAY_SIZE(c)];

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = open_ok();
		o[i] = (struct outcome){.calls = 0};
		pgconn_exec(c[i], &snooze, fifty, LONG_MS, on_outcome, &o[i]);
	}
	wait_sleepers((int)ARRAY_SIZE(c));
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		pgconn_cancel(c[i]);
	pgconn_close(c[12]);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		wait_outcome(&o[i]);
		expect_error(&o[i], i == 12 ? -ECANCELED : -EIO, i == 12 ? "" : "57014", "");
		if (i != 12)
			pgconn_close(c[i]);
	}
	end_sleepers(); /* that of the one that was closed */
}
END_TEST

/* The first request hits nothing that ends by it. */
START_TEST(test_cancel_again)
{
	struct outcome o = {.calls = 0};
	struct pgconn *c = open_ok();

	pgconn_script(c,
		      "do $$begin perform pg_sleep(50); exception when query_canceled then "
		      "perform pg_sleep(50); end$$",
		      NULL, 0, LONG_MS, on_outcome, &o);
	wait_sleepers(1);
	pgconn_cancel(c);
	wait_outcome(&o);
	expect_error(&o, -EIO, "57014", "script: canceling");
	pgconn_close(c);
}
END_TEST

/* A script with a block of its own, cancelled: rolled back, and not by half. */
START_TEST(test_cancel_script)
{
	struct pgconn *c = open_ok();
	struct outcome o = {.calls = 0};

	pgconn_script(c, "begin; select pg_sleep(50)", NULL, 0, LONG_MS, on_outcome, &o);
	wait_sleepers(1);
	pgconn_cancel(c);
	wait_outcome(&o);
	expect_error(&o, -EIO, "57014", "script: canceling");
	ck_assert(!pgconn_in_transaction(c));
	pgconn_close(c);
}
END_TEST

/* The request itself fails: its connection is given up, and the server sees that. */
START_TEST(test_cancel_fails)
{
	struct outcome o = {.calls = 0};
	struct pgconn *c;

	pgfixture_sql("create role single login password 'x' connection limit 1");
	pgfixture_sql("alter role single set client_connection_check_interval = '100ms'");
	c = open_url(pgfixture_role_url("single", "x"), LONG_MS, &o);
	ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
	start_sleep(c, &o, LONG_MS);
	pgconn_cancel(c);
	wait_outcome(&o);
	expect_error(&o, -ECANCELED, "", "given up");
	ck_assert(pgconn_broken(c));
	pgconn_close(c);
	wait_sleepers(0);
	pgfixture_sql("drop role single");
}
END_TEST

/* --- closed */

START_TEST(test_close_while_running)
{
	struct outcome o;
	struct pgconn *c = open_ok();

	start_sleep(c, &o, LONG_MS);
	pgconn_close(c);
	ck_assert_int_eq(o.calls, 1);
	expect_error(&o, -ECANCELED, "", "closed");
	end_sleepers();

	c = open_ok(); /* with a cancel request under way */
	start_sleep(c, &o, LONG_MS);
	pgconn_cancel(c);
	pgconn_close(c);
	ck_assert_int_eq(o.calls, 1);
	end_sleepers();
	pgconn_close(NULL);
}
END_TEST

START_TEST(test_close_in_callback)
{
	struct pgconn_options options = {.url = pgfixture_url(), .connect_timeout_ms = LONG_MS};
	struct outcome o = {.calls = 0};

	o.close_me = pgconn_open(base, &options, on_outcome, &o);
	wait_outcome(&o);
	ck_assert_int_eq(o.err.code, 0);

	o = (struct outcome){.close_me = open_ok()};
	pgconn_exec(o.close_me, &one, NULL, LONG_MS, on_outcome, &o);
	wait_outcome(&o);
	ck_assert_int_eq(o.first, 1);

	o = (struct outcome){.close_me = open_ok()}; /* closed twice: by us, and by the callback */
	pgconn_exec(o.close_me, &one, NULL, LONG_MS, on_outcome, &o);
	pgconn_close(o.close_me);
	ck_assert_int_eq(o.calls, 1);

	o = (struct outcome){.close_me = open_ok()}; /* by the deadline */
	pgconn_exec(o.close_me, &snooze, fifty, 100, on_outcome, &o);
	wait_outcome(&o);
	ck_assert_int_eq(o.err.code, -ETIMEDOUT);
	wait_sleepers(0);
}
END_TEST

struct chain {
	bool done;
	int left;
	struct pgconn *c;
};

static void on_link(void *arg, const struct pgresult *r, const struct err *e)
{
	struct chain *k = arg;

	ck_assert(e == NULL && pgresult_i64(r, 0, 0, 0) == 1);
	k->done = --k->left == 0;
	if (!k->done)
		pgconn_exec(k->c, &one, NULL, LONG_MS, on_link, k);
	ck_assert_int_eq(pgresult_i64(r, 0, 0, 0), 1); /* still ours */
}

START_TEST(test_next_op_in_callback)
{
	struct chain k = {.left = 100, .c = conn};

	pgconn_exec(conn, &one, NULL, LONG_MS, on_link, &k);
	pgfixture_loop(base, &k.done);
}
END_TEST

/* The connection of a caller who left his block open is seen to be in it. */
START_TEST(test_terminated_in_block)
{
	char pid[16];
	struct pgconn *c = open_ok();
	struct outcome o = exec_on(c, &begin_block, NULL);

	ck_assert_int_eq(o.err.code, 0);
	(void)snprintf(pid, sizeof(pid), "%d", pgconn_backend_pid(c));
	pgconn_close(c);
	while (exec(&count_me, pid).first != 0)
		pgfixture_idle(base, 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pgconn_loss");
	TCase *tc = tcase_create("server");

	pgfixture_create();
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, pgops_setup, pgops_teardown);
	tcase_add_test(tc, test_backend_terminated);
	tcase_add_test(tc, test_idle_backend_terminated);
	tcase_add_test(tc, test_server_killed);
	tcase_add_test(tc, test_deadline);
	tcase_add_test(tc, test_many_deadlines);
	tcase_add_test(tc, test_cancel);
	tcase_add_test(tc, test_cancel_races);
	tcase_add_test(tc, test_many_cancels);
	tcase_add_test(tc, test_cancel_again);
	tcase_add_test(tc, test_cancel_script);
	tcase_add_test(tc, test_cancel_fails);
	tcase_add_test(tc, test_close_while_running);
	tcase_add_test(tc, test_close_in_callback);
	tcase_add_test(tc, test_next_op_in_callback);
	tcase_add_test(tc, test_terminated_in_block);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
