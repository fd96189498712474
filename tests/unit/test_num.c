/* num: each form's grammar, range and limits. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <float.h>

#include "common/base/num.h"

static const struct {
	struct slice s;
	int64_t min, max;
	int r;
	int64_t value;
} integers[] = {
	{SLICE_INIT("0"), 0, 9, 0, 0},
	{SLICE_INIT("-0"), 0, 9, 0, 0},
	{SLICE_INIT("007"), 0, 9, 0, 7},
	{SLICE_INIT("-12"), -12, 9, 0, -12},
	{SLICE_INIT("-13"), -12, 9, -ERANGE, 0},
	{SLICE_INIT("10"), 0, 9, -ERANGE, 0},
	{SLICE_INIT("9223372036854775807"), INT64_MIN, INT64_MAX, 0, INT64_MAX},
	{SLICE_INIT("9223372036854775808"), INT64_MIN, INT64_MAX, -ERANGE, 0},
	{SLICE_INIT("-9223372036854775808"), INT64_MIN, INT64_MAX, 0, INT64_MIN},
	{SLICE_INIT("-9223372036854775809"), INT64_MIN, INT64_MAX, -ERANGE, 0},
	{SLICE_INIT("18446744073709551615"), INT64_MIN, INT64_MAX, -ERANGE, 0},
	{SLICE_INIT("18446744073709551616"), INT64_MIN, INT64_MAX, -ERANGE, 0},
	{SLICE_INIT("99999999999999999999999999999999999999"), INT64_MIN, INT64_MAX, -ERANGE, 0},
	/* the form is looked at before the range */
	{SLICE_INIT("99999999999999999999999999999999999999x"), INT64_MIN, INT64_MAX, -EINVAL, 0},
	{{NULL, 0}, 0, 9, -EINVAL, 0},
	{SLICE_INIT("-"), 0, 9, -EINVAL, 0},
	{SLICE_INIT("--1"), 0, 9, -EINVAL, 0},
	{SLICE_INIT("+1"), 0, 9, -EINVAL, 0},
	{SLICE_INIT(" 1"), 0, 9, -EINVAL, 0},
	{SLICE_INIT("1 "), 0, 9, -EINVAL, 0},
	{SLICE_INIT("1\0"), 0, 9, -EINVAL, 0},
	{SLICE_INIT("1.0"), 0, 9, -EINVAL, 0},
	{SLICE_INIT("1e3"), 0, 9, -EINVAL, 0},
	{SLICE_INIT("0x1"), 0, 9, -EINVAL, 0},
	{SLICE_INIT("\xd9\xa1"), 0, 9, -EINVAL, 0}, /* an Arabic digit */
};

START_TEST(test_i64)
{
	int64_t v = 77;

	ck_assert_int_eq(num_i64(integers[_i].s, integers[_i].min, integers[_i].max, &v),
			 integers[_i].r);
	ck_assert_int_eq(v, integers[_i].r == 0 ? integers[_i].value : 77);
}
END_TEST

static const struct {
	const char *s;
	int r;
	bool value;
} bools[] = {
	{"true", 0, true},   {"on", 0, true},      {"yes", 0, true},  {"1", 0, true},
	{"false", 0, false}, {"off", 0, false},    {"no", 0, false},  {"0", 0, false},
	{"", -EINVAL, 0},    {"TRUE", -EINVAL, 0}, {"2", -EINVAL, 0}, {"true ", -EINVAL, 0},
	{"tru", -EINVAL, 0},
};

START_TEST(test_bool)
{
	bool v = !bools[_i].value;

	ck_assert_int_eq(num_bool(slice_of(bools[_i].s), &v), bools[_i].r);
	if (bools[_i].r == 0)
		ck_assert(v == bools[_i].value);
}
END_TEST

static const struct {
	struct slice s;
	int r;
	double value;
} doubles[] = {
	{SLICE_INIT("0"), 0, 0},
	{SLICE_INIT("-0.5"), 0, -0.5},
	{SLICE_INIT("10.25e-2"), 0, 0.1025},
	{SLICE_INIT("1E+2"), 0, 100},
	{SLICE_INIT("1.7976931348623157e308"), 0, DBL_MAX},
	{SLICE_INIT("1e-400"), 0, 0},
	{SLICE_INIT("1e309"), -ERANGE, 0},
	{SLICE_INIT("-1e99999999999999"), -ERANGE, 0},
	{{NULL, 0}, -EINVAL, 0},
	{SLICE_INIT("-"), -EINVAL, 0},
	{SLICE_INIT("01"), -EINVAL, 0},
	{SLICE_INIT("-01"), -EINVAL, 0},
	{SLICE_INIT("1."), -EINVAL, 0},
	{SLICE_INIT(".5"), -EINVAL, 0},
	{SLICE_INIT("1e"), -EINVAL, 0},
	{SLICE_INIT("1e+"), -EINVAL, 0},
	{SLICE_INIT("+1"), -EINVAL, 0},
	{SLICE_INIT("1 "), -EINVAL, 0},
	{SLICE_INIT(" 1"), -EINVAL, 0},
	{SLICE_INIT("1,5"), -EINVAL, 0},
	{SLICE_INIT("inf"), -EINVAL, 0},
	{SLICE_INIT("nan"), -EINVAL, 0},
	{SLICE_INIT("0x1p3"), -EINVAL, 0},
	{SLICE_INIT("1\0"), -EINVAL, 0},
};

START_TEST(test_double)
{
	double v = 77;

	ck_assert_int_eq(num_double(doubles[_i].s, &v), doubles[_i].r);
	ck_assert_double_eq(v, doubles[_i].r == 0 ? doubles[_i].value : 77);
}
END_TEST

START_TEST(test_double_long)
{
	char text[4096];
	double v = 77;

	memset(text, '0', sizeof(text));
	text[1] = '.';
	ck_assert_int_eq(num_double((struct slice){text, 1000}, &v), 0);
	ck_assert_double_eq(v, 0);
	ck_assert_int_eq(num_double((struct slice){text, sizeof(text)}, &v), -ERANGE);
}
END_TEST

static const struct {
	const char *s;
	int r;
	int64_t value;
} durations[] =
	{
		{"0s", 0, 0},
		{"500ms", 0, 500},
		{"5s", 0, 5000},
		{"10m", 0, 600000},
		{"2h", 0, 7200000},
		{"1d", 0, 86400000},
		{"9223372036854775807ms", 0, INT64_MAX},
		{"9223372036854775808ms", -ERANGE, 0},
		{"9223372036854775807s", -ERANGE, 0},
		{"99999999999999999999999999d", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"5", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-5s", -EINVAL, 0},
		{"5 s", -EINVAL, 0},
		{"5S", -EINVAL, 0},
		{"5sec", -EINVAL, 0},
		{"1.5s", -EINVAL, 0},
		{"1m30s", -EINVAL, 0},
},
  sizes[] = {
	  {"0B", 0, 0},
	  {"512B", 0, 512},
	  {"64KiB", 0, 65536},
	  {"8MiB", 0, 8388608},
	  {"1GiB", 0, 1073741824},
	  {"8589934591GiB", 0, INT64_C(8589934591) << 30},
	  {"8589934592GiB", -ERANGE, 0},
	  {"", -EINVAL, 0},
	  {"1", -EINVAL, 0},
	  {"1KB", -EINVAL, 0},
	  {"1kib", -EINVAL, 0},
	  {"KiB", -EINVAL, 0},
	  {"-1B", -EINVAL, 0},
};

START_TEST(test_duration)
{
	int64_t v = 77;

	ck_assert_int_eq(num_duration_ms(slice_of(durations[_i].s), &v), durations[_i].r);
	ck_assert_int_eq(v, durations[_i].r == 0 ? durations[_i].value : 77);
}
END_TEST

START_TEST(test_size)
{
	int64_t v = 77;

	ck_assert_int_eq(num_size(slice_of(sizes[_i].s), &v), sizes[_i].r);
	ck_assert_int_eq(v, sizes[_i].r == 0 ? sizes[_i].value : 77);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("num");
	TCase *tc = tcase_create("num");

	tcase_add_loop_test(tc, test_i64, 0, ARRAY_SIZE(integers));
	tcase_add_loop_test(tc, test_bool, 0, ARRAY_SIZE(bools));
	tcase_add_loop_test(tc, test_double, 0, ARRAY_SIZE(doubles));
	tcase_add_test(tc, test_double_long);
	tcase_add_loop_test(tc, test_duration, 0, ARRAY_SIZE(durations));
	tcase_add_loop_test(tc, test_size, 0, ARRAY_SIZE(sizes));
	suite_add_tcase(s, tc);
	return unit_main(s);
}
