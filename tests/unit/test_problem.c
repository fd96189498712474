/* problem: the table is complete and consistent, the body is RFC 9457 whatever is put in. */
#include "tests/unit/unit.h"

#include "common/base/json.h"
#include "common/http/problem.h"

#define BODY_MAX 65536

START_TEST(test_table)
{
	enum problem_code c = (enum problem_code)_i;

	ck_assert_int_ge(problem_status(c), 400);
	ck_assert_int_le(problem_status(c), 599);
	ck_assert(slice_starts(slice_of(problem_name(c)), "MELMASTOON."));
	ck_assert_uint_gt(strlen(problem_title(c)), 0);
	for (int other = 0; other < _i; other++)
		ck_assert_str_ne(problem_name(c), problem_name((enum problem_code)other));
}
END_TEST

START_TEST(test_write)
{
	static const struct problem_violation violations[] = {
		{"dateRange.from", "must not be after dateRange.to"},
		{"metrics[0]", "unknown \"metric\""},
	};
	struct strbuf b = STRBUF_INIT;

	problem_write(&(struct problem){.code = PROBLEM_VALIDATION_FAILED,
					.detail = "2 fields are not valid",
					.instance = "/api/v1/x",
					.correlation_id = "cor_1",
					.violations = violations,
					.nviolations = 2},
		      &b);
	ck_assert_str_eq(
		strbuf_cstr(&b),
		"{\"type\":\"https://errors.melmastoon.ghasi.io/"
		"MELMASTOON.GENERAL.VALIDATION_FAILED\","
		"\"title\":\"The request is not valid\",\"status\":400,"
		"\"code\":\"MELMASTOON.GENERAL.VALIDATION_FAILED\","
		"\"detail\":\"2 fields are not valid\",\"instance\":\"/api/v1/x\","
		"\"correlationId\":\"cor_1\",\"violations\":["
		"{\"field\":\"dateRange.from\",\"message\":\"must not be after dateRange.to\"},"
		"{\"field\":\"metrics[0]\",\"message\":\"unknown \\\"metric\\\"\"}]}");
	strbuf_clear(&b);
}
END_TEST

/* Members without a value are left out; bytes of the client cannot break the body. */
START_TEST(test_hostile)
{
	struct strbuf b = STRBUF_INIT;
	struct json *j;

	problem_write(&(struct problem){.code = PROBLEM_RESOURCE_NOT_FOUND,
					.instance = "/\"}\n\x01\xff\xc3"},
		      &b);
	ck_assert_int_eq(json_parse(strbuf_slice(&b), BODY_MAX, &j, NULL), 0);
	ck_assert_str_eq(json_string_or_null(json_get(j, "instance")),
			 "/\"}\n\x01\xef\xbf\xbd\xef\xbf\xbd");
	ck_assert_ptr_null(json_get(j, "detail"));
	ck_assert_ptr_null(json_get(j, "correlationId"));
	ck_assert_ptr_null(json_get(j, "violations"));
	json_free(j);
	strbuf_clear(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("problem");
	TCase *tc = tcase_create("problem");

	tcase_add_loop_test(tc, test_table, 0, PROBLEM_COUNT);
	tcase_add_test(tc, test_write);
	tcase_add_test(tc, test_hostile);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
