/* json: what is refused (cJSON would take most of it), exact numbers, getters, writer. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <signal.h>

#include "common/base/json.h"

#define TEXT_MAX ((size_t)1 << 20)

/* Written back compactly; NULL: as it came. */
static const struct {
	const char *text, *written;
} valid[] = {
	{"null", NULL},
	{" \t\r\n[ ] \n", "[]"},
	{"{}", NULL},
	{"0", NULL},
	{"-0", NULL},
	{"\"\"", NULL},
	{"[1,2.50,-3e+7,0.1E-2,true,false,null]", NULL},
	{"{ \"b\" : 1 , \"a\" : { \"c\" : [ { } ] } }", "{\"b\":1,\"a\":{\"c\":[{}]}}"},
	/* keys differ in case only; a key may be empty */
	{"{\"a\":1,\"A\":2,\"\":3}", NULL},
	/* numbers keep their text, also those in the neighbourhood of strings full of digits */
	{"[9007199254740993,123456789012345678901234567890,1.000]", NULL},
	{"{\"-1\":2,\"x\\\"3\":\"4\\\\\",\"e\":[-5]}", NULL},
	{"\"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\"",
	 "\"\xc3\xa9\xf0\x9f\x98\x80/\\u0008\\u000c\\n\\u000d\\t\""},
	{"\"\xc3\xa9\xf0\x9f\x98\x80\"", NULL},
	{"\"\\uFFFF\"", "\"\xef\xbf\xbf\""},
};

START_TEST(test_valid)
{
	const char *text = valid[_i].text;
	struct strbuf b = STRBUF_INIT;
	struct json *j;
	struct err e;

	ck_assert_msg(json_parse(slice_of(text), TEXT_MAX, &j, &e) == 0, "%s: %s", text, e.msg);
	json_write(j, &b);
	ck_assert_str_eq(strbuf_cstr(&b), valid[_i].written != NULL ? valid[_i].written : text);
	json_free(j);
	strbuf_clear(&b);
}
END_TEST

/* at: the offset that the message names; SIZE_MAX: none (duplicate keys, sizes). */
static const struct {
	struct slice text;
	size_t at;
} invalid[] = {
	{{NULL, 0}, 0},
	{SLICE_INIT("  "), 2},
	{SLICE_INIT("nul"), 0},
	{SLICE_INIT("nulll"), 4},
	{SLICE_INIT("True"), 0},
	{SLICE_INIT("NaN"), 0},
	{SLICE_INIT("\xef\xbb\xbf{}"), 0}, /* byte order mark */
	{SLICE_INIT("{}x"), 2},
	{SLICE_INIT("{} {}"), 3},
	{SLICE_INIT("{}\0"), 2},
	{SLICE_INIT("\0{}"), 0},
	{SLICE_INIT("\v1"), 0},
	{SLICE_INIT("[1,2"), 4},
	{SLICE_INIT("[1,]"), 3},
	{SLICE_INIT("[,1]"), 1},
	{SLICE_INIT("[1 2]"), 3},
	{SLICE_INIT("[1}"), 2},
	{SLICE_INIT("]"), 0},
	{SLICE_INIT("["), 1},
	{SLICE_INIT("{"), 1},
	{SLICE_INIT("{\"a\"}"), 4},
	{SLICE_INIT("{\"a\":}"), 5},
	{SLICE_INIT("{\"a\":1,}"), 7},
	{SLICE_INIT("{\"a\" 1}"), 5},
	{SLICE_INIT("{a:1}"), 1},
	{SLICE_INIT("{1:1}"), 1},
	{SLICE_INIT("{'a':1}"), 1},
	{SLICE_INIT("{\"a\":1]"), 6},
	{SLICE_INIT("/* */1"), 0},
	/* numbers */
	{SLICE_INIT("01"), 0},
	{SLICE_INIT("-"), 0},
	{SLICE_INIT("-01"), 0},
	{SLICE_INIT("+1"), 0},
	{SLICE_INIT("1."), 0},
	{SLICE_INIT(".5"), 0},
	{SLICE_INIT("1e"), 0},
	{SLICE_INIT("1e5.5"), 0},
	{SLICE_INIT("1-2"), 0},
	{SLICE_INIT("0x10"), 1},
	{SLICE_INIT("[1e999]"), 1},
	{SLICE_INIT("-Infinity"), 0},
	{SLICE_INIT("1234567890123456789012345678901234567890123456789012345678901234"), 0},
	/* strings */
	{SLICE_INIT("\""), 1},
	{SLICE_INIT("\"abc"), 4},
	{SLICE_INIT("\"a\nb\""), 2},
	{SLICE_INIT("\"a\0b\""), 2},
	{SLICE_INIT("\"\x1f\""), 1},
	{SLICE_INIT("\"\\x\""), 2},
	{SLICE_INIT("\"\\"), 2},
	{SLICE_INIT("\"\\\0\""), 2},
	{SLICE_INIT("\"\\u12\""), 5},
	{SLICE_INIT("\"\\u12g4\""), 5},
	{SLICE_INIT("\"\\u 123\""), 3},
	{SLICE_INIT("\"\\u0000\""), 7},
	{SLICE_INIT("{\"a\\u0000b\":1}"), 9},
	{SLICE_INIT("\"\\ud800\""), 7},
	{SLICE_INIT("\"\\ud800x\""), 7},
	{SLICE_INIT("\"\\ud800\\n\""), 8},
	{SLICE_INIT("\"\\ud800\\ud800\""), 13},
	{SLICE_INIT("\"\\ud800\\u0041\""), 13},
	{SLICE_INIT("\"\\udc00\""), 7},
	/* UTF-8 */
	{SLICE_INIT("\"a\xff\""), 2},
	{SLICE_INIT("\"\xc0\x80\""), 1},
	{SLICE_INIT("\"\xed\xa0\x80\""), 1},
	{SLICE_INIT("\"\xe2\x82"), 1},
	{SLICE_INIT("\"\xe2\x82\""), 1},
	{SLICE_INIT("{\"\xfe\":1}"), 2},
	/* duplicate keys, after decoding, at any depth */
	{SLICE_INIT("{\"a\":1,\"b\":2,\"a\":3}"), SIZE_MAX},
	{SLICE_INIT("{\"a\":1,\"\\u0061\":1}"), SIZE_MAX},
	{SLICE_INIT("[1,{\"x\":[{\"\":1,\"\":1}]}]"), SIZE_MAX},
};

START_TEST(test_invalid)
{
	struct slice text = invalid[_i].text;
	struct json *j = NULL;
	struct err e = ERR_INIT;
	char place[64];
	char *copy = NULL;

	/* in memory of exactly its size, so that a sanitizer sees a read behind the end */
	if (text.len > 0) {
		copy = malloc(text.len);
		ck_assert_ptr_nonnull(copy);
		text.ptr = memcpy(copy, text.ptr, text.len);
	}
	ck_assert_int_eq(json_parse(text, TEXT_MAX, &j, &e), -EINVAL);
	ck_assert_ptr_null(j);
	if (invalid[_i].at == SIZE_MAX)
		(void)snprintf(place, sizeof(place), "occurs twice");
	else
		(void)snprintf(place, sizeof(place), "at byte %zu:", invalid[_i].at);
	ck_assert_msg(strstr(e.msg, place) != NULL, "\"%s\" in \"%s\"", place, e.msg);
	free(copy);
}
END_TEST

START_TEST(test_limits)
{
	char text[4 * JSON_DEPTH_MAX];
	struct json *j;
	struct err e;
	size_t n = JSON_DEPTH_MAX;

	memset(text, '[', n);
	memset(text + n, ']', n);
	ck_assert_int_eq(json_parse((struct slice){text, 2 * n}, TEXT_MAX, &j, &e), 0);
	json_free(j);
	n++;
	memset(text, '[', n);
	memset(text + n, ']', n);
	ck_assert_int_eq(json_parse((struct slice){text, 2 * n}, TEXT_MAX, &j, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "not valid JSON at byte 64: nested too deep");
	ck_assert_int_eq(json_parse(SLICE_LIT("[1]"), 3, &j, &e), 0);
	json_free(j);
	ck_assert_int_eq(json_parse(SLICE_LIT("[12]"), 3, &j, &e), -EINVAL);
	json_free(NULL);
}
END_TEST

/* A megabyte of members or elements takes no quadratic time (it would be minutes). */
START_TEST(test_wide)
{
	struct strbuf b = STRBUF_INIT;
	struct json *j;
	int64_t sum = 0, v;

	for (int i = 0; i < 100000; i++)
		strbuf_appendf(&b, "%s\"k%d\":%d", i == 0 ? "{" : ",", i, i);
	strbuf_append_str(&b, "}");
	ck_assert_int_eq(json_parse(strbuf_slice(&b), 4 * TEXT_MAX, &j, NULL), 0);
	ck_assert_uint_eq(json_len(j), 100000);
	for (size_t i = 0; i < json_len(j); i++) {
		if (json_i64(json_at(j, i), "", 0, INT64_MAX, &v, NULL) == 0)
			sum += v;
	}
	ck_assert_int_eq(sum, INT64_C(4999950000));
	ck_assert_str_eq(json_key_at(j, 99999), "k99999");
	json_free(j);
	strbuf_clear(&b);
}
END_TEST

START_TEST(test_access)
{
	struct json *j;
	const struct json *a;

	ck_assert_int_eq(json_parse(SLICE_LIT("{\"a\":[null,true,1,\"s\",[],{}],\"B\":2}"),
				    TEXT_MAX, &j, NULL),
			 0);
	ck_assert_int_eq(json_kind(j), JSON_OBJECT);
	ck_assert_uint_eq(json_len(j), 2);
	ck_assert_str_eq(json_key_at(j, 1), "B");
	ck_assert_ptr_null(json_key_at(j, 2));
	ck_assert_ptr_null(json_get(j, "b"));
	ck_assert_ptr_null(json_get(NULL, "a"));
	a = json_get(j, "a");
	ck_assert_uint_eq(json_len(a), 6);
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(json_kind(json_at(a, i)), (int)i);
	ck_assert_ptr_null(json_at(a, 6));
	ck_assert_ptr_null(json_key_at(json_at(a, 0), 0));
	ck_assert_ptr_null(json_get(a, "a"));
	ck_assert_uint_eq(json_len(json_at(a, 2)), 0); /* a number's text is no table */
	ck_assert_uint_eq(json_len(json_at(a, 3)), 0);
	ck_assert_uint_eq(json_len(NULL), 0);
	ck_assert_ptr_null(json_at(json_at(a, 3), 0));
	json_free(j);
}
END_TEST

static const struct {
	const char *text;
	int64_t min, max;
	int r;
	int64_t value;
} integers[] = {
	{"0", 0, 10, 0, 0},
	{"-5", -5, 5, 0, -5},
	{"6", -5, 5, -EINVAL, 0},
	{"9007199254740992", INT64_MIN, INT64_MAX, 0, INT64_C(9007199254740992)},
	{"-9007199254740992", INT64_MIN, INT64_MAX, 0, -INT64_C(9007199254740992)},
	/* a double would make them 2^53 */
	{"9007199254740993", INT64_MIN, INT64_MAX, -EINVAL, 0},
	{"-9007199254740993", INT64_MIN, INT64_MAX, -EINVAL, 0},
	{"1.0", 0, 10, -EINVAL, 0},
	{"1e1", 0, 10, -EINVAL, 0},
	{"0.99999999999999999999", 0, 10, -EINVAL, 0},
	{"\"1\"", 0, 10, -EINVAL, 0},
	{"null", 0, 10, -EINVAL, 0},
	{"[1]", 0, 10, -EINVAL, 0},
};

START_TEST(test_i64)
{
	struct json *j;
	int64_t v = 77;

	ck_assert_int_eq(json_parse(slice_of(integers[_i].text), TEXT_MAX, &j, NULL), 0);
	ck_assert_int_eq(json_i64(j, "n", integers[_i].min, integers[_i].max, &v, NULL),
			 integers[_i].r);
	ck_assert_int_eq(v, integers[_i].r == 0 ? integers[_i].value : 77);
	json_free(j);
}
END_TEST

START_TEST(test_messages)
{
	const char *s = NULL;
	struct json *j;
	struct err e;
	int64_t n;
	bool b;

	ck_assert_int_eq(
		json_parse(SLICE_LIT("{\"n\":1,\"s\":\"x\",\"b\":true}"), TEXT_MAX, &j, NULL), 0);
	ck_assert_int_eq(json_string(json_get(j, "n"), "n", &s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "n must be a string");
	ck_assert_ptr_null(s);
	ck_assert_int_eq(json_string(json_get(j, "x"), "x", &s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "x is missing, it must be a string");
	ck_assert_int_eq(json_i64(json_get(j, "s"), "s", 1, 9, &n, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "s must be an integer from 1 to 9");
	ck_assert_int_eq(json_i64(NULL, "s", 1, 9, &n, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "s is missing, it must be an integer from 1 to 9");
	ck_assert_int_eq(json_bool(json_get(j, "n"), "n", &b, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "n must be true or false");
	ck_assert_int_eq(json_bool(json_get(j, "b"), "b", &b, &e), 0);
	ck_assert(b);
	ck_assert_int_eq(json_string(json_get(j, "s"), "s", &s, &e), 0);
	ck_assert_str_eq(s, "x");
	ck_assert_str_eq(json_string_or_null(json_get(j, "s")), "x");
	ck_assert_ptr_null(json_string_or_null(json_get(j, "n")));
	ck_assert_ptr_null(json_string_or_null(NULL));
	json_free(j);
}
END_TEST

START_TEST(test_writer)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	struct json *j;

	jw_init(&w, &b);
	jw_object(&w);
	jw_key(&w, "a\"");
	jw_i64(&w, INT64_MIN);
	jw_key(&w, "list");
	jw_array(&w);
	jw_object(&w);
	jw_end(&w);
	jw_array(&w);
	jw_end(&w);
	jw_str(&w, "x");
	jw_str(&w, NULL);
	jw_slice(&w, SLICE_LIT("a\0b"));
	jw_bool(&w, true);
	jw_bool(&w, false);
	jw_null(&w);
	jw_raw(&w, SLICE_LIT("{\"raw\":1}"));
	jw_double(&w, 0.1);
	jw_double(&w, 1.0 / 3);
	jw_double(&w, NAN);
	jw_double(&w, -INFINITY);
	jw_end(&w);
	jw_key(&w, "z");
	jw_double(&w, DBL_MIN);
	jw_end(&w);
	ck_assert_str_eq(strbuf_cstr(&b),
			 "{\"a\\\"\":-9223372036854775808,\"list\":[{},[],\"x\",null,\"a\\u0000b\","
			 "true,false,null,{\"raw\":1},0.1,0.3333333333333333,null,null],"
			 "\"z\":2.2250738585072014e-308}");
	strbuf_reset(&b);
	jw_init(&w, &b); /* as deep as it gets */
	for (int i = 0; i < 63; i++)
		jw_array(&w);
	for (int i = 0; i < 63; i++)
		jw_end(&w);
	ck_assert_int_eq(json_parse(strbuf_slice(&b), TEXT_MAX, &j, NULL), 0);
	json_free(j);
	strbuf_clear(&b);
}
END_TEST

START_TEST(test_writer_key_in_array)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	jw_init(&w, &b);
	jw_array(&w);
	jw_key(&w, "a");
}
END_TEST

START_TEST(test_writer_too_deep)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	jw_init(&w, &b);
	for (int i = 0; i < 64; i++)
		jw_array(&w);
}
END_TEST

START_TEST(test_writer_unbalanced)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	jw_init(&w, &b);
	jw_end(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json");
	TCase *tc = tcase_create("json");

	tcase_add_loop_test(tc, test_valid, 0, ARRAY_SIZE(valid));
	tcase_add_loop_test(tc, test_invalid, 0, ARRAY_SIZE(invalid));
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_wide);
	tcase_add_test(tc, test_access);
	tcase_add_loop_test(tc, test_i64, 0, ARRAY_SIZE(integers));
	tcase_add_test(tc, test_messages);
	tcase_add_test(tc, test_writer);
	tcase_add_test_raise_signal(tc, test_writer_key_in_array, SIGABRT);
	tcase_add_test_raise_signal(tc, test_writer_too_deep, SIGABRT);
	tcase_add_test_raise_signal(tc, test_writer_unbalanced, SIGABRT);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
