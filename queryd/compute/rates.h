/*
 * Rates of exchange, as read for one query: an amount of a business date is converted at the latest
 * rate on or before that date, in whichever direction it is known (the direct one when both are of
 * the same date). The amounts of a day are summed first, then converted once, exactly up to the
 * rounding to micro-units, halves to the even one.
 */
#ifndef QUERYD_COMPUTE_RATES_H
#define QUERYD_COMPUTE_RATES_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "queryd/compute/i128.h"

struct pgresult;
struct rates;

/* Result `at`, of read_rates.sql for `target`, which is borrowed. */
struct rates *rates_new(const struct pgresult *r, size_t at, const char *target,
			struct arena *a) MUST_CHECK;
/* -ENOENT when there is no rate, with a sentence that names the pair and the date. */
int rates_convert(const struct rates *t, const char *currency, int32_t date, i128 amount, i128 *ret,
		  struct err *e) MUST_CHECK;

#endif
