/*
 * L0: dates and instants. A date is days since 1970-01-01, an instant microseconds since then, UTC;
 * the calendar is proleptic Gregorian, years 0001 to 9999. No libc time zone is ever consulted.
 */
#ifndef COMMON_TIMESTAMP_H
#define COMMON_TIMESTAMP_H

#include "common/base/base.h"

/* RFC 3339 with any offset and 0-9 fraction digits (beyond 6 truncated); `T`/`t`/space, `Z`/`z`.
 * A leap second :60 is read as the last second. -EINVAL otherwise. */
int timestamp_parse(struct slice s, int64_t *ret_us) MUST_CHECK;
/* YYYY-MM-DD, a date that exists. */
int timestamp_parse_date(struct slice s, int32_t *ret_days) MUST_CHECK;

#define TIMESTAMP_TEXT_MAX 32
/* 2026-11-23T08:00:00.123456Z; trailing zeros of the fraction dropped by threes (none, 3 or 6
 * digits). */
void timestamp_format(int64_t us, char out[TIMESTAMP_TEXT_MAX]);
void timestamp_format_date(int32_t days, char out[TIMESTAMP_TEXT_MAX]);

struct civil_date {
	int year, month, day; /* 1-based month and day */
};
struct civil_date timestamp_civil(int32_t days);
int32_t timestamp_days(struct civil_date d);
int timestamp_weekday(int32_t days); /* ISO: 1 = Monday … 7 = Sunday */

#endif
