/* definition: what a metric may be made of, and the hash that identifies it. */
#include "tests/unit/unit.h"

#include "queryd/metric/definition.h"

static struct arena *arena;

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(arena);
}

static struct definition read_one(const char *text, struct faults *f)
{
	struct definition d;
	struct json *v;

	ck_assert_int_eq(json_parse(slice_of(text), 4096, &v, NULL), 0);
	definition_read(v, arena, &d, f);
	json_free(v);
	return d;
}

#define HEAD(unit) "{\"key\":\"k\",\"version\":1,\"display\":\"K\",\"unit\":\"" unit "\","

static const struct {
	const char *text, *definition;
} good[] = {
	{HEAD("count") "\"numerator\":\"rooms_sold\",\"dimensions\":[]}",
	 "{\"numerator\": \"rooms_sold\", \"dimensions\": [], \"freshnessSloSeconds\": 300}"},
	{HEAD("percent") "\"numerator\":\"cancelled\",\"denominator\":\"reservations\","
			 "\"dimensions\":[\"channel\",\"property_id\"],\"freshnessSloSeconds\":60}",
	 "{\"numerator\": \"cancelled\", \"dimensions\": [\"property_id\", \"channel\"], "
	 "\"denominator\": \"reservations\", \"freshnessSloSeconds\": 60}"},
	/* dimensions left out: all that both parts have */
	{HEAD("currency") "\"numerator\":\"room_revenue\",\"denominator\":\"rooms_available\"}",
	 "{\"numerator\": \"room_revenue\", \"dimensions\": [\"property_id\", \"room_type_id\"], "
	 "\"denominator\": \"rooms_available\", \"freshnessSloSeconds\": 300}"},
	{HEAD("percent") "\"share\":true,\"numerator\":\"room_revenue\","
			 "\"dimensions\":[\"channel\"]}",
	 "{\"share\": true, \"numerator\": \"room_revenue\", \"dimensions\": [\"channel\"], "
	 "\"freshnessSloSeconds\": 300}"},
};

START_TEST(test_good)
{
	struct faults f = {.n = 0};
	struct definition d = read_one(good[_i].text, &f);

	ck_assert_msg(f.n == 0, "%s: %s", f.n > 0 ? f.v[0].field : "",
		      f.n > 0 ? f.v[0].message : "");
	ck_assert_str_eq(d.definition, good[_i].definition);
	ck_assert_str_eq(d.display, "{\"default\":\"K\"}");
	ck_assert_uint_eq(strlen(d.hash), 64);
}
END_TEST

static const struct {
	const char *text, *field;
} bad[] = {
	{"[]", "body"},
	{HEAD("currency") "\"numerator\":\"rooms_sold\"}", "unit"},
	{HEAD("count") "\"numerator\":\"room_revenue\"}", "unit"},
	{HEAD("percent") "\"numerator\":\"rooms_sold\",\"denominator\":\"room_revenue\"}",
	 "denominator"},
	{HEAD("percent") "\"numerator\":\"rooms_sold\",\"share\":true,\"dimensions\":[]}",
	 "dimensions"},
	{HEAD("percent") "\"numerator\":\"rooms_available\",\"share\":true}", "dimensions"},
	{HEAD("percent") "\"numerator\":\"rooms_sold\",\"denominator\":\"rooms_available\","
			 "\"dimensions\":[\"channel\"]}",
	 "dimensions"},
	{HEAD("count") "\"numerator\":\"rooms_sold\",\"x\":1}", "x"},
	{HEAD("count") "\"denominator\":\"rooms_sold\"}", "numerator"},
};

START_TEST(test_bad)
{
	struct faults f = {.n = 0};

	(void)read_one(bad[_i].text, &f);
	ck_assert_msg(f.n > 0, "%s", bad[_i].text);
	ck_assert_str_eq(f.v[0].field, bad[_i].field);
}
END_TEST

/* The name is no part of what a metric is; everything else is. */
START_TEST(test_hash)
{
	static const char *const same = "{\"unit\":{\"kind\":\"count\"},\"version\":1,"
					"\"numerator\":\"rooms_sold\",\"key\":\"k\","
					"\"display\":{\"default\":\"Other\"},\"dimensions\":[]}";
	static const char *const different[] = {
		"{\"key\":\"l\",\"version\":1,\"display\":\"K\",\"unit\":\"count\","
		"\"numerator\":\"rooms_sold\",\"dimensions\":[]}",
		"{\"key\":\"k\",\"version\":2,\"display\":\"K\",\"unit\":\"count\","
		"\"numerator\":\"rooms_sold\",\"dimensions\":[]}",
		HEAD("count") "\"numerator\":\"rooms_occupied\",\"dimensions\":[]}",
		HEAD("count") "\"numerator\":\"rooms_sold\",\"dimensions\":[\"channel\"]}",
		HEAD("count") "\"numerator\":\"rooms_sold\",\"dimensions\":[],"
			      "\"freshnessSloSeconds\":301}",
	};
	struct faults f = {.n = 0};
	struct definition first = read_one(good[0].text, &f), d = read_one(same, &f);

	ck_assert_str_eq(d.hash, first.hash);
	for (size_t i = 0; i < ARRAY_SIZE(different); i++) {
		d = read_one(different[i], &f);
		ck_assert_uint_eq(f.n, 0);
		ck_assert_str_ne(d.hash, first.hash);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("definition");
	TCase *tc = tcase_create("definition");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_good, 0, ARRAY_SIZE(good));
	tcase_add_loop_test(tc, test_bad, 0, ARRAY_SIZE(bad));
	tcase_add_test(tc, test_hash);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return unit_main(suite());
}
