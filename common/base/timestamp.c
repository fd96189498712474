/*
 * Calendar arithmetic and RFC 3339; see timestamp.h. Days are counted in 400-year eras of 146097
 * days whose years begin in March, so that the leap day is the last day of a year.
 */
#include "common/base/timestamp.h"

#include <errno.h>

#define DAY_US   INT64_C(86400000000)
#define ERA_DAYS 146097
/* 0000-03-01, the first day of era 0, before 1970-01-01 */
#define EPOCH_SHIFT 719468
#define DAYS_MIN    (-719162) /* 0001-01-01 */
#define DAYS_MAX    2932896   /* 9999-12-31 */

struct civil_date timestamp_civil(int32_t days)
{
	int64_t z = (int64_t)days + EPOCH_SHIFT;
	int64_t era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
	int day = (int)(z - era * ERA_DAYS);                                      /* 0-146096 */
	int year = (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365; /* 0-399 */
	int of_year = day - (365 * year + year / 4 - year / 100);                 /* from 1 March */
	int month = (5 * of_year + 2) / 153;                                      /* 0 = March */
	struct civil_date d;

	d.day = of_year - (153 * month + 2) / 5 + 1;
	d.month = month < 10 ? month + 3 : month - 9;
	d.year = (int)(era * 400) + year + (d.month <= 2);
	return d;
}

int32_t timestamp_days(struct civil_date d)
{
	int64_t y = (int64_t)d.year - (d.month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year = y - era * 400;
	int64_t of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
	int64_t day = year * 365 + year / 4 - year / 100 + of_year;

	return (int32_t)(era * ERA_DAYS + day - EPOCH_SHIFT);
}

int timestamp_weekday(int32_t days)
{
	/* 1970-01-01 was a Thursday */
	return (int)(((int64_t)days % 7 + 7 + 3) % 7) + 1;
}

/* Exactly n digits at s[*at], which moves on; -1 if they are not there. */
static int digits(struct slice s, size_t *at, size_t n)
{
	int v = 0;

	if (s.len - *at < n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char c = s.ptr[*at + i];

		if (c < '0' || c > '9')
			return -1;
		v = v * 10 + (c - '0');
	}
	*at += n;
	return v;
}

static bool literal(struct slice s, size_t *at, const char *any_of)
{
	if (*at >= s.len || s.ptr[*at] == '\0' || strchr(any_of, s.ptr[*at]) == NULL)
		return false;
	(*at)++;
	return true;
}

static bool read_date(struct slice s, size_t *at, int32_t *ret_days)
{
	struct civil_date d, back;

	d.year = digits(s, at, 4);
	if (d.year < 1 || !literal(s, at, "-"))
		return false;
	d.month = digits(s, at, 2);
	if (d.month < 1 || d.month > 12 || !literal(s, at, "-"))
		return false;
	d.day = digits(s, at, 2);
	if (d.day < 1)
		return false;
	*ret_days = timestamp_days(d);
	back = timestamp_civil(*ret_days); /* 30 February comes back as a day in March */
	return back.month == d.month && back.day == d.day;
}

/* hh:mm:ss[.fraction] as microseconds of the day; *ret_leap: the second was 60. */
static bool read_time(struct slice s, size_t *at, int64_t *ret_us, bool *ret_leap)
{
	int hour, minute, second, n, scale = 100000;
	int64_t fraction = 0;

	hour = digits(s, at, 2);
	if (hour < 0 || hour > 23 || !literal(s, at, ":"))
		return false;
	minute = digits(s, at, 2);
	if (minute < 0 || minute > 59 || !literal(s, at, ":"))
		return false;
	second = digits(s, at, 2);
	if (second < 0 || second > 60)
		return false;
	if (literal(s, at, ".")) {
		size_t from = *at;

		while ((n = digits(s, at, 1)) >= 0) {
			fraction += (int64_t)n * scale;
			scale /= 10;
		}
		if (*at == from || *at - from > 9)
			return false;
	}
	*ret_leap = second == 60;
	*ret_us = ((hour * 60 + minute) * 60 + second - *ret_leap) * INT64_C(1000000) + fraction;
	return true;
}

static bool read_offset(struct slice s, size_t *at, int64_t *ret_us)
{
	int sign, hour, minute;

	if (literal(s, at, "Zz")) {
		*ret_us = 0;
		return true;
	}
	sign = *at < s.len && s.ptr[*at] == '-' ? -1 : 1;
	if (!literal(s, at, "+-"))
		return false;
	hour = digits(s, at, 2);
	if (hour < 0 || hour > 23 || !literal(s, at, ":"))
		return false;
	minute = digits(s, at, 2);
	if (minute < 0 || minute > 59)
		return false;
	*ret_us = INT64_C(60000000) * sign * (hour * 60 + minute);
	return true;
}

int timestamp_parse(struct slice s, int64_t *ret_us)
{
	int64_t time_us, offset_us, us;
	int32_t days;
	size_t at = 0;
	bool leap;

	if (!read_date(s, &at, &days) || !literal(s, &at, "Tt ") ||
	    !read_time(s, &at, &time_us, &leap) || !read_offset(s, &at, &offset_us) || at != s.len)
		return -EINVAL;
	us = days * DAY_US + time_us - offset_us;
	/* the offset may lead out of the calendar */
	if (us < DAYS_MIN * DAY_US || us >= (DAYS_MAX + 1) * DAY_US)
		return -EINVAL;
	/* leap seconds are inserted before midnight UTC only */
	if (leap && (us - DAYS_MIN * DAY_US) % DAY_US < DAY_US - 1000000)
		return -EINVAL;
	*ret_us = us;
	return 0;
}

int timestamp_parse_date(struct slice s, int32_t *ret_days)
{
	int32_t days;
	size_t at = 0;

	if (!read_date(s, &at, &days) || at != s.len)
		return -EINVAL;
	*ret_days = days;
	return 0;
}

static char *put_digits(char *p, int v, int n)
{
	for (int i = n - 1; i >= 0; i--) {
		p[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return p + n;
}

static char *put_date(char *p, int32_t days)
{
	struct civil_date d = timestamp_civil(days);

	p = put_digits(p, d.year, 4);
	*p++ = '-';
	p = put_digits(p, d.month, 2);
	*p++ = '-';
	return put_digits(p, d.day, 2);
}

void timestamp_format(int64_t us, char out[TIMESTAMP_TEXT_MAX])
{
	int64_t from = DAYS_MIN * DAY_US, to = (DAYS_MAX + 1) * DAY_US - 1;
	int64_t since, of_day;
	int second, fraction;
	char *p;

	/* nothing outside the calendar has a text: the nearest that has */
	us = us < from ? from : us > to ? to : us;
	since = us - from; /* not negative: division rounds down */
	of_day = since % DAY_US;
	second = (int)(of_day / 1000000);
	fraction = (int)(of_day % 1000000);
	p = put_date(out, (int32_t)(since / DAY_US) + DAYS_MIN);
	*p++ = 'T';
	p = put_digits(p, second / 3600, 2);
	*p++ = ':';
	p = put_digits(p, second / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, second % 60, 2);
	if (fraction != 0) {
		*p++ = '.';
		p = fraction % 1000 != 0 ? put_digits(p, fraction, 6)
					 : put_digits(p, fraction / 1000, 3);
	}
	*p++ = 'Z';
	*p = '\0';
}

void timestamp_format_date(int32_t days, char out[TIMESTAMP_TEXT_MAX])
{
	days = days < DAYS_MIN ? DAYS_MIN : days > DAYS_MAX ? DAYS_MAX : days;
	*put_date(out, days) = '\0';
}
