/* strbuf: growth, the hard maximum, JSON escaping, numbers. */
#include "tests/unit/unit.h"

#include <float.h>
#include <math.h>
#include <signal.h>

#include "common/base/strbuf.h"

START_TEST(test_grows)
{
	struct strbuf b = STRBUF_INIT;
	char *taken;

	ck_assert_str_eq(strbuf_cstr(&b), "");
	for (int i = 0; i < 10000; i++)
		strbuf_append_char(&b, (char)('a' + i % 26));
	ck_assert_uint_eq(b.len, 10000);
	ck_assert_int_eq(b.ptr[9999], 'a' + 9999 % 26);
	ck_assert_int_eq(b.ptr[10000], '\0');
	strbuf_reset(&b);
	ck_assert_str_eq(strbuf_cstr(&b), "");
	strbuf_append_str(&b, "x");
	strbuf_append_slice(&b, SLICE_LIT("yz"));
	strbuf_append_slice(&b, (struct slice){NULL, 0});
	taken = strbuf_take(&b);
	ck_assert_str_eq(taken, "xyz");
	ck_assert_uint_eq(b.len, 0);
	free(taken);
	taken = strbuf_take(&b);
	ck_assert_str_eq(taken, "");
	free(taken);
}
END_TEST

START_TEST(test_max)
{
	struct strbuf b;

	strbuf_init(&b, 8);
	strbuf_append_str(&b, "12345678");
	ck_assert(!b.overflow);
	strbuf_append_char(&b, '9');
	ck_assert(b.overflow);
	ck_assert_str_eq(strbuf_cstr(&b), "12345678");
	strbuf_reset(&b);
	strbuf_append_str(&b, "1234");
	strbuf_append_str(&b, "too long"); /* dropped whole */
	strbuf_append_str(&b, "x");        /* and nothing after it */
	ck_assert_str_eq(strbuf_cstr(&b), "1234");
	ck_assert(b.overflow);
	strbuf_clear(&b);
	ck_assert(!b.overflow && b.max == 8);
	strbuf_reserve(&b, 9); /* a hint only */
	ck_assert(!b.overflow);
	strbuf_append(&b, "12345678", SIZE_MAX - 2);
	ck_assert(b.overflow && b.len == 0);
	strbuf_clear(&b);
}
END_TEST

START_TEST(test_format)
{
	struct strbuf b = STRBUF_INIT;
	char expected[1001];

	memset(expected, 'x', 1000);
	expected[1000] = '\0';
	strbuf_appendf(&b, "%d-%s", 42, "y");
	ck_assert_str_eq(strbuf_cstr(&b), "42-y");
	strbuf_reset(&b);
	strbuf_appendf(&b, "%s", expected);
	ck_assert_str_eq(strbuf_cstr(&b), expected);
	strbuf_clear(&b);
}
END_TEST

static const struct {
	int64_t v;
	const char *text;
} integers[] = {
	{0, "0"},
	{-1, "-1"},
	{INT64_MAX, "9223372036854775807"},
	{INT64_MIN, "-9223372036854775808"},
};

START_TEST(test_i64)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_append_i64(&b, integers[_i].v);
	ck_assert_str_eq(strbuf_cstr(&b), integers[_i].text);
	strbuf_clear(&b);
}
END_TEST

static const struct {
	double v;
	const char *text;
} doubles[] = {
	{0, "0"},
	{-0.0, "-0"},
	{0.1, "0.1"},
	{1.0 / 3, "0.3333333333333333"},
	{0.1 + 0.2, "0.30000000000000004"},
	{100000, "100000"},
	{9007199254740992.0, "9007199254740992"},
	{1e300, "1e+300"},
	{DBL_MAX, "1.7976931348623157e+308"},
	{5e-324, "4.94065645841247e-324"},
};

START_TEST(test_double)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_append_double(&b, doubles[_i].v);
	ck_assert_str_eq(strbuf_cstr(&b), doubles[_i].text);
	strbuf_clear(&b);
}
END_TEST

START_TEST(test_double_infinite)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_append_double(&b, INFINITY);
}
END_TEST

static const struct {
	struct slice in;
	const char *out;
} strings[] = {
	{{NULL, 0}, "\"\""},
	{SLICE_INIT("plain"), "\"plain\""},
	{SLICE_INIT("a\"b\\c/"), "\"a\\\"b\\\\c/\""},
	{SLICE_INIT("\n\t\r\b\x01\x1f\x7f"), "\"\\n\\t\\u000d\\u0008\\u0001\\u001f\\u007f\""},
	{SLICE_INIT("a\0b"), "\"a\\u0000b\""},
	{SLICE_INIT("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
	 "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
	/* C1 control characters, the first of which a terminal may obey; U+00A0 is none */
	{SLICE_INIT("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0"), "\"\\u0080\\u009b\\u009f\xc2\xa0\""},
	/* not UTF-8: stray continuation, overlong, surrogate, too large, cut */
	{SLICE_INIT("\x80"), "\"\\ufffd\""},
	{SLICE_INIT("\xc0\x80x"), "\"\\ufffd\\ufffdx\""},
	{SLICE_INIT("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""},
	{SLICE_INIT("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
	{SLICE_INIT("ab\xe2\x82"), "\"ab\\ufffd\\ufffd\""},
	{SLICE_INIT("\xc2"), "\"\\ufffd\""},
};

START_TEST(test_json)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_append_json(&b, strings[_i].in);
	ck_assert_str_eq(strbuf_cstr(&b), strings[_i].out);
	strbuf_clear(&b);
}
END_TEST

START_TEST(test_big_endian)
{
	static const unsigned char expected[] = {0x12, 0x34, 1, 2, 3,    4,    0xff, 0xfe,
						 0xfd, 0xfc, 0, 1, 0x80, 0x7f, 0,    0};
	struct strbuf b = STRBUF_INIT;

	strbuf_append_be16(&b, 0x1234);
	strbuf_append_be32(&b, 0x01020304);
	strbuf_append_be64(&b, UINT64_C(0xfffefdfc0001807f));
	strbuf_append_be16(&b, 0);
	ck_assert_uint_eq(b.len, sizeof(expected));
	ck_assert_mem_eq(b.ptr, expected, sizeof(expected));
	strbuf_clear(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("strbuf");
	TCase *tc = tcase_create("strbuf");

	tcase_add_test(tc, test_grows);
	tcase_add_test(tc, test_max);
	tcase_add_test(tc, test_format);
	tcase_add_loop_test(tc, test_i64, 0, ARRAY_SIZE(integers));
	tcase_add_loop_test(tc, test_double, 0, ARRAY_SIZE(doubles));
	tcase_add_test_raise_signal(tc, test_double_infinite, SIGABRT);
	tcase_add_loop_test(tc, test_json, 0, ARRAY_SIZE(strings));
	tcase_add_test(tc, test_big_endian);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
