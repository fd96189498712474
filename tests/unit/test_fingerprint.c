/* fingerprint, and the scanner's shape before it: what counts as the same set of members. */
#include "tests/unit/unit.h"

#include "common/base/strbuf.h"
#include "ingestd/reading/fingerprint.h"
#include "ingestd/reading/scan.h"

static struct arena *arena;
static struct scan_scratch scratch;

static void setup(void)
{
	arena = arena_new();
	scan_scratch_init(&scratch, 7);
}

static void teardown(void)
{
	arena_free(arena);
}

static int64_t make(const char *text, struct slice *paths)
{
	return fingerprint_make(slice_of(text), arena, paths);
}

static uint64_t shape(const char *text)
{
	static const struct scan_limits limits = {.size_max = 1 << 20};
	static struct scan_index index;

	ck_assert_int_eq(scan_document(slice_of(text), &limits, &scratch, &index, NULL), 0);
	return index.shape;
}

START_TEST(test_paths)
{
	struct slice paths;

	(void)make("{\"id\":\"x\",\"payload\":{\"items\":[{\"adults\":2,\"a\":null},{\"kind\":"
		   "\"sold\"},"
		   "3],\"flag\":true,\"name\":{\"fa\":\"x\",\"en\":\"y\"},\"rates\":{\"USD\":1,"
		   "\"2026-01-02\":1},\"usr_01HZX3M5K7N9P2Q4R6S8TAVBWC\":{\"rooms_p10\":1}}} ",
		   &paths);
	ck_assert_str_eq(paths.ptr, "id string\n"
				    "payload object\n"
				    "payload.* object\n"
				    "payload.*.rooms_p10 number\n"
				    "payload.flag boolean\n"
				    "payload.items array\n"
				    "payload.items[] number\n"
				    "payload.items[] object\n"
				    "payload.items[].adults number\n"
				    "payload.items[].kind string\n"
				    "payload.name object\n"
				    "payload.name.* string\n"
				    "payload.rates object\n"
				    "payload.rates.* number\n");
	ck_assert_uint_eq(strlen(paths.ptr), paths.len);
}
END_TEST

/* Stored, so never to change. */
START_TEST(test_frozen)
{
	struct slice paths;

	ck_assert_int_eq(make("{\"abc\":[{\"def\":1}]}", &paths), INT64_C(8535974749809597808));
	ck_assert_int_eq(make("", &paths), INT64_C(-2039914840885289964));
	ck_assert_uint_eq(paths.len, 0);
}
END_TEST

/* Each pair: the same for both, or different for both. */
static const struct {
	const char *a, *b;
	bool same;
} pairs[] = {
	{"{\"abc\":1,\"def\":\"x\"}", " { \"def\" : \"\" , \"abc\" : -1.5e7 } ", true},
	{"{\"abc\":1}", "{\"\\u0061bc\":2}", true},
	{"{\"abc\":1,\"def\":null}", "{\"abc\":1}", true},
	{"{\"abc\":[1]}", "{\"abc\":[3,4,5,6]}", true},
	{"{\"abc\":[{\"def\":1},{\"ghi\":2}]}",
	 "{\"abc\":[{\"ghi\":2},{\"def\":1},{\"def\":1},{\"ghi\":2}]}", true},
	{"{\"abc\":1}", "{\"abc\":\"1\"}", false},
	{"{\"abc\":1}", "{\"abd\":1}", false},
	{"{\"abc\":true}", "{\"abc\":1}", false},
	{"{\"abc\":{}}", "{\"abc\":[]}", false},
	{"{\"abc\":{\"def\":1}}", "{\"abc\":1,\"def\":{}}", false},
	{"{\"abc\":{\"def\":1},\"ghi\":{}}", "{\"abc\":{},\"ghi\":{\"def\":1}}", false},
	{"{\"abc\":[]}", "{\"abc\":[1]}", false},
	{"{\"abc\":[{\"def\":1}]}", "{\"abc\":[{\"def\":1},{\"def\":1,\"ghi\":1}]}", false},
	{"{\"abc\":[[1]]}", "{\"abc\":[1]}", false},
	{"{}", "[]", false},
};

START_TEST(test_pairs)
{
	struct slice paths;
	bool escaped = strchr(pairs[_i].b, '\\') != NULL; /* stands as '*' in paths */

	ck_assert_int_eq(shape(pairs[_i].a) == shape(pairs[_i].b), pairs[_i].same);
	if (!escaped && pairs[_i].a[1] != '}') /* the outermost has no path */
		ck_assert_int_eq(make(pairs[_i].a, &paths) == make(pairs[_i].b, &paths),
				 pairs[_i].same);
}
END_TEST

/* Neither depth nor number is without bounds. */
START_TEST(test_bounds)
{
	struct strbuf text = STRBUF_INIT;
	struct slice paths;

	for (int i = 0; i < 60; i++)
		strbuf_append_str(&text, "{\"abcdefghij\":");
	strbuf_append_char(&text, '1');
	for (int i = 0; i < 60; i++)
		strbuf_append_char(&text, '}');
	(void)make(strbuf_cstr(&text), &paths);
	ck_assert_ptr_null(strstr(paths.ptr, "number"));
	strbuf_reset(&text);
	strbuf_append_char(&text, '{');
	for (int i = 0; i < 3 * FINGERPRINT_PATHS_MAX; i++) {
		strbuf_appendf(&text, "%s\"key_", i > 0 ? "," : "");
		for (int n = i; n > 0; n /= 26)
			strbuf_append_char(&text, (char)('a' + n % 26));
		strbuf_append_str(&text, "\":1");
	}
	strbuf_append_char(&text, '}');
	(void)make(strbuf_cstr(&text), &paths);
	ck_assert_uint_gt(paths.len, FINGERPRINT_PATHS_MAX * 8);
	ck_assert_uint_lt(paths.len, FINGERPRINT_PATHS_MAX * 20);
	strbuf_clear(&text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fingerprint");
	TCase *tc = tcase_create("fingerprint");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_paths);
	tcase_add_test(tc, test_frozen);
	tcase_add_loop_test(tc, test_pairs, 0, ARRAY_SIZE(pairs));
	tcase_add_test(tc, test_bounds);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
