/* pgconn: statements without a name, whose rows come one by one up to a bound; on a real server. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "tests/unit/pgops.h"

#define UNNAMED(id, n, ...) static const struct sql_stmt id = {"", n, __VA_ARGS__}

UNNAMED(types, 2,
	"select $1::int8 as i, $2::text as t, true as b, 1.5::float8 as f, 1.50 as n, "
	"date '2026-01-02' as d, timestamptz '2026-01-02 03:04:05Z' as z, null::int2 as x");
UNNAMED(some_rows, 1, "select i, repeat('x', i) from generate_series(1, $1::integer) i");
UNNAMED(no_rows, 0, "select 1 as a, 2 as b where false");
UNNAMED(too_large, 0, "select repeat('x', 100000) from generate_series(1, 1000)");
UNNAMED(fails_later, 0, "select 1 / (500 - i) from generate_series(1, 1000) i");
UNNAMED(bad, 0, "selekt 1");
UNNAMED(open_cursor, 1, "declare c no scroll cursor for select generate_series(1, $1::integer)");
UNNAMED(fetch, 0, "fetch 3 from c");
STMT(named, 0, "select 42 as count");
STMT(begin_block, 0, "begin");
STMT(commit_block, 0, "commit");
STMT(count_kept, 0, "select count(*) from pg_prepared_statements where name = ''");

struct seen {
	bool done;
	struct err err;
	void (*look)(const struct pgresult *r);
};

static void on_result(void *arg, const struct pgresult *r, const struct err *e)
{
	struct seen *s = arg;

	s->done = true;
	if (e != NULL)
		s->err = *e;
	else
		s->look(r);
}

static struct err run(const struct pgstmt *stmts, size_t n, void (*look)(const struct pgresult *))
{
	struct seen s = {.look = look};

	pgconn_batch(conn, stmts, n, LONG_MS, on_result, &s);
	pgfixture_loop(base, &s.done);
	return s.err;
}

static const char *const two[] = {"9223372036854775807", "ü"};
static const char *const seven[] = {"7"};
static const char *const many[] = {"3000"};

static void look_at_types(const struct pgresult *r)
{
	static const enum pg_type expected[] = {PG_TYPE_INT,         PG_TYPE_TEXT,    PG_TYPE_BOOL,
						PG_TYPE_FLOAT,       PG_TYPE_NUMERIC, PG_TYPE_DATE,
						PG_TYPE_TIMESTAMPTZ, PG_TYPE_INT};

	ck_assert_uint_eq(pgresult_rows(r, 0), 1);
	ck_assert_uint_eq(pgresult_columns(r, 0), ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		ck_assert_int_eq(pgresult_column_type(r, 0, i), expected[i]);
	ck_assert_str_eq(pgresult_text(r, 0, 0, 0), two[0]);
	ck_assert_str_eq(pgresult_text(r, 0, 0, 1), two[1]);
	ck_assert_str_eq(pgresult_text(r, 0, 0, 4), "1.50");
	ck_assert(pgresult_text(r, 0, 0, 7) == NULL);
	ck_assert_str_eq(pgresult_column_name(r, 0, 6), "z");
}

START_TEST(test_types)
{
	struct outcome n;

	ck_assert_int_eq(run(&(struct pgstmt){&types, two}, 1, look_at_types).code, 0);
	n = exec(&count_kept, NULL);
	ck_assert_int_eq(n.first, 0);
}
END_TEST

static void look_between(const struct pgresult *r)
{
	ck_assert_uint_eq(pgresult_count(r), 5);
	ck_assert_int_eq(pgresult_i64(r, 0, 0, 0), 42);
	ck_assert_uint_eq(pgresult_rows(r, 1), 3000);
	for (size_t i = 0; i < 3000; i++) {
		ck_assert_int_eq(pgresult_i64(r, 1, i, 0), (int64_t)i + 1);
		ck_assert_uint_eq(pgresult_slice(r, 1, i, 1).len, i + 1);
	}
	ck_assert_uint_eq(pgresult_rows(r, 2), 0);
	ck_assert_uint_eq(pgresult_columns(r, 2), 2);
	ck_assert_int_eq(pgresult_i64(r, 3, 0, 0), 42);
	ck_assert_uint_eq(pgresult_rows(r, 4), 7);
}

START_TEST(test_between_others)
{
	const struct pgstmt stmts[] = {
		{&named, NULL}, {&some_rows, many},  {&no_rows, NULL},
		{&named, NULL}, {&some_rows, seven},
	};

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(run(stmts, ARRAY_SIZE(stmts), look_between).code, 0);
}
END_TEST

static void look_at_cursor(const struct pgresult *r)
{
	ck_assert_uint_eq(pgresult_rows(r, 2), 3);
	ck_assert_int_eq(pgresult_i64(r, 3, 0, 0), 4);
	ck_assert_uint_eq(pgresult_rows(r, 5), 0);
}

START_TEST(test_cursor)
{
	const struct pgstmt stmts[] = {
		{&begin_block, NULL}, {&open_cursor, seven}, {&fetch, NULL},        {&fetch, NULL},
		{&fetch, NULL},       {&fetch, NULL},        {&commit_block, NULL},
	};

	/* the cursor ends with its transaction, so its name is free the second time */
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(run(stmts, ARRAY_SIZE(stmts), look_at_cursor).code, 0);
}
END_TEST

START_TEST(test_bound)
{
	const struct pgstmt stmts[] = {{&named, NULL}, {&too_large, NULL}, {&named, NULL}};
	struct err e = run(stmts, ARRAY_SIZE(stmts), NULL);
	struct outcome n;

	ck_assert_int_eq(e.code, -E2BIG);
	ck_assert_msg(strstr(e.msg, "more than 16777216 bytes") != NULL, "%s", e.msg);
	/* the connection goes on, or was given up as a whole */
	if (!pgconn_broken(conn)) {
		n = exec(&named, NULL);
		ck_assert_int_eq(n.first, 42);
	}
}
END_TEST

START_TEST(test_errors)
{
	struct outcome n;
	struct err e = run(&(struct pgstmt){&fails_later, NULL}, 1, NULL);

	ck_assert_int_eq(e.code, -EIO);
	ck_assert_str_eq(e.sqlstate, "22012");
	ck_assert_msg(strncmp(e.msg, "unnamed: ", 9) == 0, "%s", e.msg);
	e = run(&(struct pgstmt){&bad, NULL}, 1, NULL);
	ck_assert_str_eq(e.sqlstate, "42601");
	n = exec(&named, NULL);
	ck_assert_int_eq(n.first, 42);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pgconn_unnamed");
	TCase *tc = tcase_create("pgconn_unnamed");

	pgfixture_create();
	tcase_add_checked_fixture(tc, pgops_setup, pgops_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_types);
	tcase_add_test(tc, test_between_others);
	tcase_add_test(tc, test_cursor);
	tcase_add_test(tc, test_bound);
	tcase_add_test(tc, test_errors);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
