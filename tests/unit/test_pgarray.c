/* Array literals: counting and joining without parsing them apart. */
#include "tests/unit/unit.h"

#include "etld/stream/pgarray.h"

static const struct {
	const char *literal;
	size_t count;
} counts[] = {
	{NULL, 0},
	{"{}", 0},
	{"{a}", 1},
	{"{a,b,c}", 3},
	{"{\"a,b\",c}", 2},
	{"{\"quote \\\" and, comma\",b}", 2},
	{"{\"backslash \\\\\",b}", 2},
	{"{NULL,b}", 2},
};

START_TEST(test_count)
{
	ck_assert_uint_eq(pgarray_count(counts[_i].literal), counts[_i].count);
}
END_TEST

static const struct {
	const char *x, *y, *joined;
} joins[] = {
	{NULL, NULL, "{}"},   {"{}", "{}", "{}"},      {"{a}", "{}", "{a}"},
	{NULL, "{b}", "{b}"}, {"{a}", "{b}", "{a,b}"}, {"{a,b}", "{c,\"d,e\"}", "{a,b,c,\"d,e\"}"},
};

START_TEST(test_join)
{
	struct arena *a = arena_new();

	ck_assert_str_eq(pgarray_join(a, joins[_i].x, joins[_i].y), joins[_i].joined);
	arena_free(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pgarray");
	TCase *t = tcase_create("pgarray");

	tcase_add_loop_test(t, test_count, 0, (int)ARRAY_SIZE(counts));
	tcase_add_loop_test(t, test_join, 0, (int)ARRAY_SIZE(joins));
	suite_add_tcase(s, t);
	return unit_main(s);
}
