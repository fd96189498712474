/* err: messages, wrapping, truncation, no destination. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>

#include "common/base/err.h"

START_TEST(test_set)
{
	struct err e = ERR_INIT;

	memcpy(e.sqlstate, "40001", 6);
	ck_assert_int_eq(err_set(&e, -EINVAL, "bad %s", "thing"), -EINVAL);
	ck_assert_int_eq(e.code, -EINVAL);
	ck_assert_str_eq(e.msg, "bad thing");
	ck_assert_str_eq(e.sqlstate, ""); /* a new error is not what Postgres said before */
	ck_assert_int_eq(err_set(NULL, -EIO, "nobody listens"), -EIO);
}
END_TEST

START_TEST(test_wrap)
{
	struct err e = ERR_INIT;

	(void)err_set(&e, -ENOENT, "no such file");
	memcpy(e.sqlstate, "08006", 6);
	ck_assert_int_eq(err_wrap(&e, -EIO, "reading %s", "x"), -ENOENT);
	ck_assert_str_eq(e.msg, "reading x: no such file");
	ck_assert_str_eq(e.sqlstate, "08006");
	ck_assert_int_eq(err_wrap(NULL, -EIO, "context"), -EIO);
}
END_TEST

/* Context of every length around the end of the buffer: cut, terminated, context kept. */
START_TEST(test_truncates)
{
	struct err e;
	char filler[600];

	memset(filler, 'x', sizeof(filler));
	for (int n = (int)sizeof(e.msg) - 6; n <= (int)sizeof(e.msg) + 3; n++) {
		e = ERR_INIT;
		(void)err_set(&e, -EIO, "abc");
		ck_assert_int_eq(err_wrap(&e, -EIO, "%.*s", n, filler), -EIO);
		ck_assert_uint_lt(strlen(e.msg), sizeof(e.msg));
		ck_assert_mem_eq(e.msg, filler, sizeof(e.msg) - 6);
	}
	e = ERR_INIT;
	(void)err_set(&e, -EIO, "abcdef");
	(void)err_wrap(&e, -EIO, "%.*s", (int)sizeof(e.msg) - 6, filler);
	ck_assert_str_eq(e.msg + sizeof(e.msg) - 6, ": abc");
}
END_TEST

START_TEST(test_code_is_negative)
{
	struct err e;

	(void)err_set(&e, 0, "no error");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("err");
	TCase *tc = tcase_create("err");

	tcase_add_test(tc, test_set);
	tcase_add_test(tc, test_wrap);
	tcase_add_test(tc, test_truncates);
	tcase_add_test_raise_signal(tc, test_code_is_negative, SIGABRT);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
