/* Trace contexts: which are ones, and their trace. */
#include "common/http/traceparent.h"

#include "unit.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define ZEROS  "00000000000000000000000000000000"

static const struct {
	const char *text;
	bool valid;
} cases[] = {
	{"00-" TRACE "-" PARENT "-01", true},
	{"00-" TRACE "-" PARENT "-00", true},
	{"cc-" TRACE "-" PARENT "-01", true},
	{"cc-" TRACE "-" PARENT "-01-what-the-future-will-be-like", true},
	{"cc-" TRACE "-" PARENT "-01.what", false},
	{"00-" TRACE "-" PARENT "-01-more", false},
	{"ff-" TRACE "-" PARENT "-01", false},
	{"00-" ZEROS "-" PARENT "-01", false},
	{"00-" TRACE "-0000000000000000-01", false},
	{"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", false},
	{"00-" TRACE "-" PARENT "-0", false},
	{"00-" TRACE "-" PARENT "-0x", false},
	{"00-" TRACE "0" PARENT "-01", false},
	{"00_" TRACE "-" PARENT "-01", false},
	{"00-" TRACE "-" PARENT "0-1", false},
	{"0-" TRACE "-" PARENT "-001", false},
	{TRACE, false},
	{"", false},
	{NULL, false},
};

START_TEST(test_valid)
{
	ck_assert_msg(traceparent_valid(cases[_i].text) == cases[_i].valid, "%s",
		      cases[_i].text != NULL ? cases[_i].text : "NULL");
}
END_TEST

START_TEST(test_length)
{
	char text[400] = "cc-" TRACE "-" PARENT "-01-";
	size_t len = strlen(text);

	memset(text + len, 'x', 256 - len);
	text[256] = '\0';
	ck_assert(traceparent_valid(text));
	text[256] = 'x';
	text[257] = '\0';
	ck_assert(!traceparent_valid(text));
}
END_TEST

START_TEST(test_trace_id)
{
	char id[TRACE_ID_LEN + 1];

	traceparent_trace_id(cases[0].text, id);
	ck_assert_str_eq(id, TRACE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("traceparent");
	TCase *t = tcase_create("traceparent");

	tcase_add_loop_test(t, test_valid, 0, (int)ARRAY_SIZE(cases));
	tcase_add_test(t, test_length);
	tcase_add_test(t, test_trace_id);
	suite_add_tcase(s, t);
	return unit_main(s);
}
