/* timestamp: RFC 3339 in and out, the calendar against libc's gmtime. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <time.h>

#include "common/base/timestamp.h"

/* Valid ones, and what they are printed as; NULL: -EINVAL. */
static const struct {
	struct slice in;
	const char *out;
} instants[] = {
	{SLICE_INIT("1970-01-01T00:00:00Z"), "1970-01-01T00:00:00Z"},
	{SLICE_INIT("1970-01-01 00:00:00.1z"), "1970-01-01T00:00:00.100Z"},
	{SLICE_INIT("2026-11-23t08:00:00.123456Z"), "2026-11-23T08:00:00.123456Z"},
	{SLICE_INIT("2026-11-23T08:00:00.123400Z"), "2026-11-23T08:00:00.123400Z"},
	{SLICE_INIT("2026-11-23T08:00:00.123000Z"), "2026-11-23T08:00:00.123Z"},
	{SLICE_INIT("2026-11-23T08:00:00.000000999Z"), "2026-11-23T08:00:00Z"},
	{SLICE_INIT("2026-11-23T08:00:00.999999999Z"), "2026-11-23T08:00:00.999999Z"},
	{SLICE_INIT("1969-12-31T23:59:59.999999Z"), "1969-12-31T23:59:59.999999Z"},
	{SLICE_INIT("2026-11-23T08:00:00+04:30"), "2026-11-23T03:30:00Z"},
	{SLICE_INIT("2026-11-23T08:00:00-23:59"), "2026-11-24T07:59:00Z"},
	{SLICE_INIT("2026-03-01T00:00:00+00:01"), "2026-02-28T23:59:00Z"},
	{SLICE_INIT("2026-03-01T00:00:00-00:00"), "2026-03-01T00:00:00Z"},
	{SLICE_INIT("2024-02-29T12:00:00Z"), "2024-02-29T12:00:00Z"},
	{SLICE_INIT("2000-02-29T12:00:00Z"), "2000-02-29T12:00:00Z"},
	{SLICE_INIT("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00Z"},
	{SLICE_INIT("9999-12-31T23:59:59.999999Z"), "9999-12-31T23:59:59.999999Z"},
	/* leap seconds: the last second of a UTC day, wherever it was seen */
	{SLICE_INIT("2016-12-31T23:59:60Z"), "2016-12-31T23:59:59Z"},
	{SLICE_INIT("2017-01-01T04:29:60.5+04:30"), "2016-12-31T23:59:59.500Z"},
	{SLICE_INIT("2016-12-31T23:58:60Z"), NULL},
	{SLICE_INIT("2016-12-31T23:59:60+01:00"), NULL},
	{SLICE_INIT("2016-12-31T23:59:61Z"), NULL},
	/* the offset leads out of the calendar */
	{SLICE_INIT("0001-01-01T00:00:00+00:01"), NULL},
	{SLICE_INIT("9999-12-31T23:59:59-00:01"), NULL},
	{SLICE_INIT("0000-12-31T00:00:00Z"), NULL},
	{SLICE_INIT("2023-02-29T00:00:00Z"), NULL},
	{SLICE_INIT("1900-02-29T00:00:00Z"), NULL},
	{SLICE_INIT("2026-04-31T00:00:00Z"), NULL},
	{SLICE_INIT("2026-00-01T00:00:00Z"), NULL},
	{SLICE_INIT("2026-13-01T00:00:00Z"), NULL},
	{SLICE_INIT("2026-01-00T00:00:00Z"), NULL},
	{SLICE_INIT("2026-01-32T00:00:00Z"), NULL},
	{SLICE_INIT("2026-01-01T24:00:00Z"), NULL},
	{SLICE_INIT("2026-01-01T00:60:00Z"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00"), NULL},
	{SLICE_INIT("2026-01-01T00:00Z"), NULL},
	{SLICE_INIT("2026-01-01"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00.Z"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00,5Z"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00.1234567890Z"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00+0430"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00+04"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00+24:00"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00+00:60"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00ZZ"), NULL},
	{SLICE_INIT("2026-01-01T00:00:00Z "), NULL},
	{SLICE_INIT(" 2026-01-01T00:00:00Z"), NULL},
	{SLICE_INIT("2026-1-01T00:00:00Z"), NULL},
	{SLICE_INIT("-026-01-01T00:00:00Z"), NULL},
	{SLICE_INIT("12026-01-01T00:00:00Z"), NULL},
	{SLICE_INIT("2026-01-01\0"
		    "00:00:00Z"),
	 NULL},
	{SLICE_INIT("1767225600"), NULL},
	{{NULL, 0}, NULL},
};

START_TEST(test_instant)
{
	char text[TIMESTAMP_TEXT_MAX];
	int64_t us = 77;
	int r = timestamp_parse(instants[_i].in, &us);

	if (instants[_i].out == NULL) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_int_eq(us, 77);
		return;
	}
	ck_assert_int_eq(r, 0);
	timestamp_format(us, text);
	ck_assert_str_eq(text, instants[_i].out);
}
END_TEST

START_TEST(test_values)
{
	int64_t us;

	ck_assert_int_eq(timestamp_parse(SLICE_LIT("2026-11-23T08:00:00.000001Z"), &us), 0);
	ck_assert_int_eq(us, INT64_C(1795420800000001));
	ck_assert_int_eq(timestamp_parse(SLICE_LIT("1969-12-31T23:59:59.999999Z"), &us), 0);
	ck_assert_int_eq(us, -1);
}
END_TEST

/* No text is longer than its buffer, whatever is put in. */
START_TEST(test_format_clamps)
{
	char text[TIMESTAMP_TEXT_MAX];

	timestamp_format(INT64_MAX, text);
	ck_assert_str_eq(text, "9999-12-31T23:59:59.999999Z");
	timestamp_format(INT64_MIN, text);
	ck_assert_str_eq(text, "0001-01-01T00:00:00Z");
	timestamp_format_date(INT32_MAX, text);
	ck_assert_str_eq(text, "9999-12-31");
	timestamp_format_date(INT32_MIN, text);
	ck_assert_str_eq(text, "0001-01-01");
}
END_TEST

static const struct {
	const char *s;
	int r;
	int32_t days;
} dates[] = {
	{"1970-01-01", 0, 0},        {"1969-12-31", 0, -1},      {"2000-03-01", 0, 11017},
	{"0001-01-01", 0, -719162},  {"9999-12-31", 0, 2932896}, {"2026-02-29", -EINVAL, 0},
	{"2026-2-01", -EINVAL, 0},   {"2026/02/01", -EINVAL, 0}, {"2026-02-01T", -EINVAL, 0},
	{"2026-02-01 ", -EINVAL, 0}, {"20260201", -EINVAL, 0},   {"", -EINVAL, 0},
	{"0000-01-01", -EINVAL, 0},
};

START_TEST(test_date)
{
	char text[TIMESTAMP_TEXT_MAX];
	int32_t days = 77;

	ck_assert_int_eq(timestamp_parse_date(slice_of(dates[_i].s), &days), dates[_i].r);
	ck_assert_int_eq(days, dates[_i].r == 0 ? dates[_i].days : 77);
	if (dates[_i].r == 0) {
		timestamp_format_date(days, text);
		ck_assert_str_eq(text, dates[_i].s);
	}
}
END_TEST

/* Every seventh day of the calendar and around it: libc agrees, and back it is the same. */
START_TEST(test_calendar)
{
	for (int32_t days = -800000; days <= 3000000; days += 7) {
		struct civil_date d = timestamp_civil(days);
		time_t seconds = (time_t)days * 86400;
		struct tm tm;

		/* one assert a day: each costs a message to the test's parent */
		ck_assert_msg(gmtime_r(&seconds, &tm) != NULL && d.year == tm.tm_year + 1900 &&
				      d.month == tm.tm_mon + 1 && d.day == tm.tm_mday &&
				      timestamp_weekday(days) == (tm.tm_wday + 6) % 7 + 1 &&
				      timestamp_days(d) == days,
			      "day %d", days);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timestamp");
	TCase *tc = tcase_create("timestamp");

	tcase_add_loop_test(tc, test_instant, 0, ARRAY_SIZE(instants));
	tcase_add_test(tc, test_values);
	tcase_add_test(tc, test_format_clamps);
	tcase_add_loop_test(tc, test_date, 0, ARRAY_SIZE(dates));
	tcase_add_test(tc, test_calendar);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
