/* utf8: every form, and every neighbour that is none. */
#include "tests/unit/unit.h"

#include "common/base/utf8.h"

static const struct {
	struct slice s;
	size_t len; /* of the first sequence */
} sequences[] = {
	{{NULL, 0}, 0},
	{SLICE_INIT("a"), 1},
	{SLICE_INIT("\0"), 1},
	{SLICE_INIT("\x7f"), 1},
	{SLICE_INIT("\x80"), 0},
	{SLICE_INIT("\xbf"), 0},
	{SLICE_INIT("\xc0\x80"), 0}, /* overlong */
	{SLICE_INIT("\xc1\xbf"), 0},
	{SLICE_INIT("\xc2\x80"), 2},
	{SLICE_INIT("\xdf\xbf"), 2},
	{SLICE_INIT("\xc2\x7f"), 0},
	{SLICE_INIT("\xc2\xc0"), 0},
	{SLICE_INIT("\xc2"), 0},
	{SLICE_INIT("\xe0\x9f\xbf"), 0}, /* overlong */
	{SLICE_INIT("\xe0\xa0\x80"), 3},
	{SLICE_INIT("\xec\xbf\xbf"), 3},
	{SLICE_INIT("\xed\x9f\xbf"), 3},
	{SLICE_INIT("\xed\xa0\x80"), 0}, /* U+D800 */
	{SLICE_INIT("\xed\xbf\xbf"), 0},
	{SLICE_INIT("\xee\x80\x80"), 3},
	{SLICE_INIT("\xef\xbf\xbf"), 3},
	{SLICE_INIT("\xe2\x82"), 0},
	{SLICE_INIT("\xe2\x82\x28"), 0},
	{SLICE_INIT("\xf0\x8f\xbf\xbf"), 0}, /* overlong */
	{SLICE_INIT("\xf0\x90\x80\x80"), 4},
	{SLICE_INIT("\xf3\xbf\xbf\xbf"), 4},
	{SLICE_INIT("\xf4\x8f\xbf\xbf"), 4},
	{SLICE_INIT("\xf4\x90\x80\x80"), 0}, /* U+110000 */
	{SLICE_INIT("\xf0\x90\x80"), 0},
	{SLICE_INIT("\xf0\x90\x28\x80"), 0},
	{SLICE_INIT("\xf0\x90\x80\x28"), 0},
	{SLICE_INIT("\xf5\x80\x80\x80"), 0},
	{SLICE_INIT("\xff"), 0},
};

START_TEST(test_sequence)
{
	struct slice s = sequences[_i].s;

	ck_assert_uint_eq(utf8_sequence(s.ptr, s.len), sequences[_i].len);
	ck_assert(utf8_valid(s) == (sequences[_i].len == s.len));
}
END_TEST

START_TEST(test_valid)
{
	ck_assert(utf8_valid(SLICE_LIT("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80")));
	ck_assert(!utf8_valid(SLICE_LIT("latin1 \xe9t\xe9")));
	ck_assert(!utf8_valid(SLICE_LIT("cut \xf0\x9f\x98")));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("utf8");
	TCase *tc = tcase_create("utf8");

	tcase_add_loop_test(tc, test_sequence, 0, ARRAY_SIZE(sequences));
	tcase_add_test(tc, test_valid);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
