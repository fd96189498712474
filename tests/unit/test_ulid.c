/* ulid: layout, order within a millisecond, what is valid. */
#include "tests/unit/unit.h"

#include <signal.h>

#include "common/base/clock.h"
#include "common/base/ulid.h"

static const struct {
	int64_t ms;
	unsigned char random[10];
	const char *text;
} made[] = {
	{0, {0}, "00000000000000000000000000"},
	{-1, {0}, "00000000000000000000000000"}, /* before 1970: as early as it gets */
	{1, {0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "00000000010000000000000001"},
	{1469918176385, /* the time of the ULID specification's example */
	 {0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x1f},
	 "01ARYZ6S41G00000000000000Z"},
	{(INT64_C(1) << 48) - 1,
	 {255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
	 "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
	{INT64_MAX,
	 {255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
	 "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
};

START_TEST(test_make)
{
	char out[ULID_LEN + 1];

	ulid_make(made[_i].ms, made[_i].random, out);
	ck_assert_str_eq(out, made[_i].text);
	ck_assert(ulid_valid(slice_of(out)));
}
END_TEST

START_TEST(test_ascends)
{
	char last[ULID_LEN + 1], next[ULID_LEN + 1];

	clock_set_for_test(INT64_C(1795420800000000), 0);
	ulid_new(last);
	ck_assert_mem_eq(last, "01M83PPH00", 10);
	for (int i = 0; i < 100000; i++) {
		ulid_new(next);
		if (strcmp(next, last) <= 0)
			ck_abort_msg("%s after %s", next, last);
		memcpy(last, next, sizeof(last));
	}
	clock_set_for_test(INT64_C(1795420800001000), 0);
	ulid_new(next);
	ck_assert_str_gt(next, last);
}
END_TEST

static const struct {
	struct slice s;
	bool valid;
} texts[] = {
	{SLICE_INIT("01ARYZ6S41TSV4RRFFQ69G5FAV"), true},
	{SLICE_INIT("01aryz6s41tsv4rrffq69g5fav"), true},
	{SLICE_INIT("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), true},
	{SLICE_INIT("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"), false}, /* 129 bits */
	{SLICE_INIT("01ARYZ6S41TSV4RRFFQ69G5FA"), false},
	{SLICE_INIT("01ARYZ6S41TSV4RRFFQ69G5FAVX"), false},
	{SLICE_INIT("01ARYZ6S41TSV4RRFFQ69G5FAI"), false},
	{SLICE_INIT("01ARYZ6S41TSV4RRFFQ69G5FAL"), false},
	{SLICE_INIT("01ARYZ6S41TSV4RRFFQ69G5FAO"), false},
	{SLICE_INIT("01ARYZ6S41TSV4RRFFQ69G5FAu"), false},
	{SLICE_INIT("01ARYZ6S41TSV4RRFFQ69G5FA\0"), false},
	{SLICE_INIT("01ARYZ6S41TSV4RRFFQ69G5FA "), false},
	{SLICE_INIT("01ARYZ6S41-SV4RRFFQ69G5FAV"), false},
	{SLICE_INIT("01ARYZ6S41\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	 false},
	{{NULL, 0}, false},
};

START_TEST(test_valid)
{
	char out[ULID_LEN + 1];

	ck_assert(ulid_valid(texts[_i].s) == texts[_i].valid);
	if (texts[_i].valid && texts[_i].s.ptr[0] == '0') {
		ulid_canonical(texts[_i].s, out);
		ck_assert_str_eq(out, "01ARYZ6S41TSV4RRFFQ69G5FAV");
	}
}
END_TEST

START_TEST(test_prefixed)
{
	char out[3 + 28];

	ulid_prefixed("evt", out, sizeof(out));
	ck_assert_mem_eq(out, "evt_", 4);
	ck_assert(ulid_valid(slice_of(out + 4)));
}
END_TEST

START_TEST(test_prefixed_too_small)
{
	char out[3 + 27];

	ulid_prefixed("evt", out, sizeof(out));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ulid");
	TCase *tc = tcase_create("ulid");

	tcase_add_loop_test(tc, test_make, 0, ARRAY_SIZE(made));
	tcase_add_test(tc, test_ascends);
	tcase_add_loop_test(tc, test_valid, 0, ARRAY_SIZE(texts));
	tcase_add_test(tc, test_prefixed);
	tcase_add_test_raise_signal(tc, test_prefixed_too_small, SIGABRT);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
