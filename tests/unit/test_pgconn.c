/* pgconn: opening, every op and its errors, on a real server; test_pgconn_loss.c has the rest. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/strbuf.h"
#include "tests/unit/pgops.h"

STMT(echo, 3, "select $1::text as a, $2::bigint as b, $3::boolean as c");
STMT(count_rows, 0, "select count(*), coalesce(sum(length(v)), 0) from t");
STMT(add_row, 2, "insert into t (k, v) values ($1::bigint, $2::text)");
STMT(add_deferred, 1, "insert into d (k) values ($1::bigint)");
STMT(divide, 1, "select 1 / $1::integer");
STMT(bad_syntax, 0, "selekt 1");
STMT(bad_table, 0, "select 1 from nowhere");
STMT(begin_block, 0, "begin");
STMT(commit_block, 0, "commit");
STMT(rollback_block, 0, "rollback");
STMT(count_prepared, 0, "select count(*) from pg_prepared_statements where name = 'echo'");
STMT(many_bytes, 1, "select repeat('x', 10000), length($1::text) from generate_series(1, 3000)");
STMT(read_stale, 0, "select * from stale");
STMT(copy_in, 0, "copy t (k, v) from stdin");
STMT(warn_me, 0, "do 'begin raise warning ''hello''; end'");

static void setup(void)
{
	pgops_setup();
	script_ok("drop table if exists t, d; create table t (k bigint primary key, v text);"
		  "create table d (k bigint unique deferrable initially deferred)");
}

static int64_t rows_in_t(void)
{
	struct outcome o = exec(&count_rows, NULL);

	ck_assert_int_eq(o.err.code, 0);
	return o.first;
}

/* --- opening */

START_TEST(test_open_fails)
{
	const char *dir = pgfixture_dir();
	char url[256];
	struct outcome o;

	pgconn_close(open_url("postgresql://postgres@/postgres?host=/nowhere", LONG_MS, &o));
	expect_error(&o, -ECONNREFUSED, "", "/nowhere");
	pgconn_close(open_url("postgresql://not a url", LONG_MS, &o));
	expect_error(&o, -ECONNREFUSED, "", "");
	(void)snprintf(url, sizeof(url), "postgresql://postgres@/absent?host=%s", dir);
	pgconn_close(open_url(url, LONG_MS, &o));
	expect_error(&o, -ECONNREFUSED, "3D000", "absent");
	pgconn_close(open_url(pgfixture_role_url("nobody_here", "x"), LONG_MS, &o));
	expect_error(&o, -EACCES, "28P01", "nobody_here");
	pgconn_close(open_url(pgfixture_role_url("nobody_here", ""), LONG_MS, &o));
	expect_error(&o, -EACCES, "", "no password");
	pgconn_close(open_url(url, LONG_MS, &o));
	ck_assert_int_eq(o.calls, 1);
}
END_TEST

/* A server that takes connections and says nothing. */
START_TEST(test_open_times_out)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[256];
	struct outcome o;

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/.s.PGSQL.1", pgfixture_dir());
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	(void)snprintf(url, sizeof(url), "postgresql://postgres@/x?host=%s&port=1",
		       pgfixture_dir());
	pgconn_close(open_url(url, 100, &o));
	expect_error(&o, -ETIMEDOUT, "", "100 ms");
	ck_assert_int_eq(unlink(sun.sun_path), 0);
	close(fd);
}
END_TEST

/* libpq closes the first socket and opens the second under the same number. */
START_TEST(test_open_second_host)
{
	char url[256];
	struct outcome o;
	struct pgconn *c;

	(void)snprintf(url, sizeof(url), "postgresql://postgres@/postgres?host=%s/data,%s",
		       pgfixture_dir(), pgfixture_dir());
	c = open_url(url, LONG_MS, &o);
	ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
	pgconn_close(c);
}
END_TEST

/* --- exec */

struct echoed {
	bool done;
};

static void on_echo(void *arg, const struct pgresult *r, const struct err *e)
{
	struct echoed *o = arg;

	ck_assert(e == NULL);
	ck_assert_uint_eq(pgresult_count(r), 1);
	ck_assert_uint_eq(pgresult_rows(r, 0), 1);
	ck_assert_uint_eq(pgresult_columns(r, 0), 3);
	ck_assert_str_eq(pgresult_column_name(r, 0, 1), "b");
	ck_assert_str_eq(pgresult_text(r, 0, 0, 0), "grüße");
	ck_assert(slice_eq_str(pgresult_slice(r, 0, 0, 0), "grüße"));
	ck_assert(pgresult_i64(r, 0, 0, 1) == INT64_MIN);
	ck_assert(pgresult_text(r, 0, 0, 2) == NULL && pgresult_slice(r, 0, 0, 2).ptr == NULL);
	ck_assert_int_eq(pgresult_affected(r, 0), 1);
	o->done = true;
}

START_TEST(test_exec)
{
	const char *params[] = {"grüße", "-9223372036854775808", NULL};
	struct echoed o = {false};
	struct outcome n;

	for (int i = 0; i < 3; i++) {
		o.done = false;
		pgconn_exec(conn, &echo, params, LONG_MS, on_echo, &o);
		pgfixture_loop(base, &o.done);
	}
	n = exec(&count_prepared, NULL);
	ck_assert_int_eq(n.first, 1);
	exec_ok(&warn_me, NULL);
}
END_TEST

static void on_null_number(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)e;
	(void)pgresult_i64(r, 0, 0, 1);
}

START_TEST(test_null_number_is_a_bug)
{
	const char *params[] = {NULL, NULL, NULL};
	bool never = false;

	pgconn_exec(conn, &echo, params, LONG_MS, on_null_number, NULL);
	pgfixture_loop(base, &never);
}
END_TEST

START_TEST(test_two_ops_at_once_is_a_bug)
{
	pgconn_exec(conn, &count_rows, NULL, LONG_MS, on_outcome, &(struct outcome){.calls = 0});
	pgconn_exec(conn, &count_rows, NULL, LONG_MS, on_outcome, &(struct outcome){.calls = 0});
}
END_TEST

START_TEST(test_exec_errors)
{
	struct outcome o;

	for (int i = 0; i < 2; i++) { /* a failed prepare must not count as prepared */
		o = exec(&bad_syntax, NULL);
		expect_error(&o, -EIO, "42601", "bad_syntax: syntax error");
		ck_assert_int_eq(pg_error_class(&o.err), PG_ERROR_BUG);
		o = exec(&bad_table, NULL);
		expect_error(&o, -EIO, "42P01", "bad_table: relation");
		o = exec(&divide, "0");
		expect_error(&o, -EIO, "22012", "divide: division by zero");
		ck_assert_int_eq(pg_error_class(&o.err), PG_ERROR_DATA);
	}
	exec_ok(&divide, "1");
	exec_ok(&add_row, "1");
	o = exec(&add_row, "1");
	expect_error(&o, -EIO, "23505", "add_row: duplicate key");
	ck_assert_int_eq(pg_error_class(&o.err), PG_ERROR_UNIQUE);
	o = exec(&add_row, "x");
	expect_error(&o, -EIO, "22P02", "add_row: invalid input");
	o = exec(&add_deferred, "1");
	ck_assert_int_eq(o.err.code, 0);
	o = exec(&add_deferred, "1");
	expect_error(&o, -EIO, "23505", "commit: duplicate key");
	ck_assert_int_eq(rows_in_t(), 1);
	/* created now, the statement that could not be prepared can be */
	script_ok("create table nowhere ()");
	exec_ok(&bad_table, NULL);
	script_ok("drop table nowhere");
}
END_TEST

/* COPY belongs into a script; the connection cannot be saved. */
START_TEST(test_exec_copy)
{
	struct outcome o = exec(&copy_in, NULL);

	expect_error(&o, -EIO, "", "copy_in");
	ck_assert(pgconn_broken(conn));
}
END_TEST

/* Both sides write more than the socket holds: neither may wait for the other. */
START_TEST(test_exec_large)
{
	struct strbuf big = STRBUF_INIT;
	struct outcome o;

	for (int i = 0; i < 8 << 20; i += 8)
		strbuf_append_str(&big, "12345678");
	o = exec(&many_bytes, strbuf_cstr(&big));
	ck_assert_int_eq(o.err.code, 0);
	ck_assert_uint_eq(o.rows, 3000);
	strbuf_clear(&big);
}
END_TEST

START_TEST(test_stale_plan)
{
	struct outcome o;

	script_ok("drop table if exists stale; create table stale (a int)");
	exec_ok(&read_stale, NULL);
	pgfixture_sql("alter table stale add column b int");
	o = exec(&read_stale, NULL);
	expect_error(&o, -EAGAIN, "0A000", "read_stale");
	ck_assert(pgconn_broken(conn));
	ck_assert_int_eq(pg_error_class(&o.err), PG_ERROR_CONNECTION);
}
END_TEST

/* --- batch */

START_TEST(test_batch)
{
	const struct pgstmt good[] = {
		{&add_row, (const char *const[]){"1", "a"}},
		{&add_row, (const char *const[]){"2", "b"}},
		{&count_rows, NULL},
	};
	const struct pgstmt bad[] = {
		{&add_row, (const char *const[]){"3", "c"}},
		{&divide, (const char *const[]){"0"}},
		{&echo, (const char *const[]){"x", NULL, NULL}},
	};
	struct outcome o = batch(good, ARRAY_SIZE(good));

	ck_assert_int_eq(o.err.code, 0);
	ck_assert_uint_eq(o.count, 3);
	for (int i = 0; i < 2; i++) {
		o = batch(bad, ARRAY_SIZE(bad));
		expect_error(&o, -EIO, "22012", "divide:");
		ck_assert_int_eq(rows_in_t(), 2);
	}
	exec_ok(&echo, "skipped before, so prepared now");
	o = batch(good, 1);
	expect_error(&o, -EIO, "23505", "add_row:");
	o = batch(&good[2], 1);
	ck_assert_int_eq(o.err.code, 0);
	ck_assert_int_eq(o.first, 2);
}
END_TEST

/* A block of the caller's stays his, also when it fails. */
START_TEST(test_block)
{
	struct outcome o;

	exec_ok(&begin_block, NULL);
	ck_assert(pgconn_in_transaction(conn));
	exec_ok(&add_row, "1");
	exec_ok(&commit_block, NULL);
	ck_assert(!pgconn_in_transaction(conn));

	exec_ok(&begin_block, NULL);
	exec_ok(&add_row, "2");
	o = exec(&divide, "0");
	expect_error(&o, -EIO, "22012", "divide:");
	ck_assert(pgconn_in_transaction(conn));
	o = exec(&add_row, "3");
	expect_error(&o, -EIO, "25P02", "add_row:");
	o = exec(&bad_table, NULL);
	expect_error(&o, -EIO, "25P02", "bad_table:");
	o = script("insert into t values (4, '')", NULL, 0);
	expect_error(&o, -EIO, "25P02", "script:");
	exec_ok(&rollback_block, NULL);
	ck_assert(!pgconn_in_transaction(conn));
	ck_assert_int_eq(rows_in_t(), 1);
}
END_TEST

/* A block that the failing op itself had begun is rolled back for the caller. */
START_TEST(test_batch_with_begin)
{
	const struct pgstmt bad[] = {
		{&begin_block, NULL},
		{&add_row, (const char *const[]){"1", "a"}},
		{&divide, (const char *const[]){"0"}},
	};
	struct outcome o = batch(bad, ARRAY_SIZE(bad));

	expect_error(&o, -EIO, "22012", "divide:");
	ck_assert(!pgconn_in_transaction(conn));
	o = batch(bad, 2);
	ck_assert_int_eq(o.err.code, 0);
	ck_assert(pgconn_in_transaction(conn));
	exec_ok(&commit_block, NULL);
	ck_assert_int_eq(rows_in_t(), 1);
}
END_TEST

/* --- script and COPY */

static const char copy_script[] = "begin; copy t from stdin; select 1 as count;"
				  "copy t from stdin; copy d from stdin; commit";

START_TEST(test_script)
{
	const struct slice copies[] = {SLICE_LIT("1\ta\n2\tb\n"), SLICE_LIT("3\t\\N\n"),
				       SLICE_LIT("")};
	struct outcome o = script(copy_script, copies, ARRAY_SIZE(copies));

	ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
	ck_assert_uint_eq(o.count, 6);
	ck_assert(!pgconn_in_transaction(conn));
	ck_assert_int_eq(rows_in_t(), 3);
	script_ok("");
}
END_TEST

START_TEST(test_script_fails)
{
	const struct slice twice[] = {SLICE_LIT("1\ta\n2\tb\n"), SLICE_LIT("2\tb\n"),
				      SLICE_LIT("1\n")};
	const struct slice garbage[] = {SLICE_LIT("1\ta\n"), SLICE_LIT("x\n"), SLICE_LIT("1\n")};
	const struct slice commit[] = {SLICE_LIT("1\ta\n"), SLICE_LIT("2\tx\n"),
				       SLICE_LIT("1\n1\n")};
	struct outcome o;

	for (int i = 0; i < 3; i++) {
		o = script(copy_script, twice, 3);
		expect_error(&o, -EIO, "23505", "script: duplicate key");
		ck_assert(!pgconn_in_transaction(conn));
		o = script(copy_script, garbage, 3);
		expect_error(&o, -EIO, "22P02", "script: invalid input syntax");
		o = script(copy_script, commit, 3);
		expect_error(&o, -EIO, "23505", "script: duplicate key");
		o = script("select 1; selekt", NULL, 0);
		expect_error(&o, -EIO, "42601", "script: syntax error");
		ck_assert_int_eq(rows_in_t(), 0);
	}
}
END_TEST

static void fill(struct strbuf *b, int64_t rows, size_t width)
{
	for (int64_t i = 0; i < rows; i++) {
		strbuf_append_i64(b, i);
		strbuf_append_char(b, '\t');
		for (size_t n = 0; n < width; n++)
			strbuf_append_char(b, (char)('a' + n % 26));
		strbuf_append_char(b, '\n');
	}
}

START_TEST(test_copy_50_mb)
{
	struct strbuf b = STRBUF_INIT;
	struct rusage before, after;
	struct slice copies[2];
	struct outcome o;

	fill(&b, 25000, 2000);
	ck_assert_uint_gt(b.len, (size_t)50 * 1000 * 1000);
	copies[0] = copies[1] = strbuf_slice(&b);
	(void)getrusage(RUSAGE_SELF, &before);
	o = script("copy t from stdin", copies, 1);
	ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
	ck_assert_int_eq(rows_in_t(), 25000);
	(void)getrusage(RUSAGE_SELF, &after);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 16L * 1024);
	/* fails at the first row of the second: the rest is thrown away */
	o = script("begin; truncate t; copy t from stdin; copy t from stdin; commit", copies, 2);
	expect_error(&o, -EIO, "23505", "script:");
	ck_assert_int_eq(rows_in_t(), 25000);
	strbuf_clear(&b);
}
END_TEST

/* Runs a script over conn without the loop until the server has answered all of it. */
static struct outcome move_script(struct slice copy)
{
	static struct outcome o;
	int64_t end = clock_mono_ms() + LONG_MS;

	o = (struct outcome){.done = false};
	pgconn_script(conn, "begin; copy t from stdin; commit", &copy, 1, LONG_MS, on_outcome, &o);
	while (!o.done && clock_mono_ms() < end)
		pgconn_move(conn);
	ck_assert(!pgconn_in_transaction(conn));
	pgconn_move(conn); /* nothing runs any more */
	ck_assert_int_eq(o.calls, 1);
	return o;
}

START_TEST(test_script_moved_by_its_caller)
{
	struct strbuf b = STRBUF_INIT;
	struct outcome o;

	pgconn_move(conn); /* nothing runs */
	fill(&b, 20000, 100);
	o = move_script(strbuf_slice(&b));
	ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
	ck_assert_int_eq(rows_in_t(), 20000);
	o = move_script(SLICE_LIT("1\ta\n"));
	expect_error(&o, -EIO, "23505", "script: duplicate key");
	script_ok("");
	strbuf_clear(&b);
}
END_TEST

START_TEST(test_script_without_its_buffer_is_a_bug)
{
	(void)script("copy t from stdin", NULL, 0);
}
END_TEST

/* --- pure parts */

START_TEST(test_error_class)
{
	static const struct {
		const char *sqlstate;
		int code;
		enum pg_error_class class;
	} cases[] = {
		{"08006", -EIO, PG_ERROR_CONNECTION},
		{"57P03", -EIO, PG_ERROR_CONNECTION},
		{"53300", -EIO, PG_ERROR_CONNECTION},
		{"40001", -EIO, PG_ERROR_RETRY},
		{"40P01", -EIO, PG_ERROR_RETRY},
		{"55P03", -EIO, PG_ERROR_RETRY},
		{"23505", -EIO, PG_ERROR_UNIQUE},
		{"23503", -EIO, PG_ERROR_DATA},
		{"22P02", -EIO, PG_ERROR_DATA},
		{"57014", -EIO, PG_ERROR_CANCELLED},
		{"42601", -EIO, PG_ERROR_BUG},
		{"", -EIO, PG_ERROR_BUG},
		{"", -ECONNRESET, PG_ERROR_CONNECTION},
		{"23505", -ECONNRESET, PG_ERROR_CONNECTION},
		{"", -ETIMEDOUT, PG_ERROR_CONNECTION},
		{"3D000", -ECONNREFUSED, PG_ERROR_CONNECTION},
		{"", -ECANCELED, PG_ERROR_CANCELLED},
		{"0A000", -EAGAIN, PG_ERROR_CONNECTION},
	};
	struct err e = ERR_INIT;

	e.code = cases[_i].code;
	(void)snprintf(e.sqlstate, sizeof(e.sqlstate), "%s", cases[_i].sqlstate);
	ck_assert_int_eq(pg_error_class(&e), cases[_i].class);
}
END_TEST

START_TEST(test_safe_target)
{
	static const struct {
		const char *url, *target;
	} cases[] = {
		{"postgresql://u:secret@h:5433/db?sslmode=require", "postgresql://u@h:5433/db"},
		{"postgres:///db?host=/run/pg&password=secret", "postgresql:///run/pg/db"},
		{"host=h user=u password=secret dbname=db", "postgresql://u@h/db"},
		{"postgresql://u:secret@h:port:x/%zz", "(not a Postgres URL)"},
		{"secret", "(not a Postgres URL)"},
	};
	char out[64], small[8];

	pg_safe_target(cases[_i].url, out, sizeof(out));
	ck_assert_str_eq(out, cases[_i].target);
	pg_safe_target(cases[_i].url, small, sizeof(small));
	ck_assert_uint_eq(strlen(small), sizeof(small) - 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pgconn");
	TCase *pure = tcase_create("pure"), *tc = tcase_create("server");

	pgfixture_create();
	tcase_add_loop_test(pure, test_error_class, 0, 18);
	tcase_add_loop_test(pure, test_safe_target, 0, 5);
	suite_add_tcase(s, pure);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, pgops_teardown);
	tcase_add_test(tc, test_open_fails);
	tcase_add_test(tc, test_open_times_out);
	tcase_add_test(tc, test_open_second_host);
	tcase_add_test(tc, test_exec);
	tcase_add_test_raise_signal(tc, test_null_number_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, test_two_ops_at_once_is_a_bug, SIGABRT);
	tcase_add_test(tc, test_exec_errors);
	tcase_add_test(tc, test_exec_copy);
	tcase_add_test(tc, test_exec_large);
	tcase_add_test(tc, test_stale_plan);
	tcase_add_test(tc, test_batch);
	tcase_add_test(tc, test_block);
	tcase_add_test(tc, test_batch_with_begin);
	tcase_add_test(tc, test_script);
	tcase_add_test(tc, test_script_fails);
	tcase_add_test(tc, test_copy_50_mb);
	tcase_add_test(tc, test_script_moved_by_its_caller);
	tcase_add_test_raise_signal(tc, test_script_without_its_buffer_is_a_bug, SIGABRT);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
