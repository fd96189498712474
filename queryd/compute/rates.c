/* Looking up rates; see rates.h. */
#include "queryd/compute/rates.h"

#include <errno.h>

#include "common/base/timestamp.h"
#include "common/pg/pgconn.h"

#define RATE_SCALE INT64_C(1000000000000000)

struct rate {
	const char *currency;
	int32_t date;
	bool direct;
	i128 rate; /* times RATE_SCALE */
};

struct rates {
	const char *target;
	struct rate *rates; /* by currency, date, direct */
	size_t n;
};

struct rates *rates_new(const struct pgresult *r, size_t at, const char *target, struct arena *a)
{
	struct rates *t = arena_alloc(a, sizeof(*t));

	t->target = target;
	t->n = pgresult_rows(r, at);
	t->rates = arena_alloc(a, t->n * sizeof(*t->rates));
	for (size_t i = 0; i < t->n; i++) {
		struct rate *x = &t->rates[i];

		x->currency = arena_strdup(a, pgresult_text(r, at, i, 0));
		x->direct = pgresult_bool(r, at, i, 2);
		ASSERT(timestamp_parse_date(slice_of(pgresult_text(r, at, i, 1)), &x->date) == 0);
		ASSERT(i128_parse(pgresult_text(r, at, i, 3), &x->rate) == 0);
	}
	return t;
}

/* The last rate of the currency on or before the date; NULL: none. */
static const struct rate *latest(const struct rates *t, const char *currency, int32_t date)
{
	size_t low = 0, high = t->n;

	while (low < high) { /* the first one that comes after it */
		size_t middle = low + (high - low) / 2;
		const struct rate *x = &t->rates[middle];
		int order = strcmp(x->currency, currency);

		if (order < 0 || (order == 0 && x->date <= date))
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && strcmp(t->rates[low - 1].currency, currency) == 0 ? &t->rates[low - 1]
									    : NULL;
}

int rates_convert(const struct rates *t, const char *currency, int32_t date, i128 amount, i128 *ret,
		  struct err *e)
{
	const struct rate *x;
	char day[TIMESTAMP_TEXT_MAX];

	if (amount == 0 || (currency != NULL && strcmp(currency, t->target) == 0)) {
		*ret = amount;
		return 0;
	}
	x = currency != NULL ? latest(t, currency, date) : NULL;
	if (x == NULL || x->rate == 0) {
		timestamp_format_date(date, day);
		return err_set(e, -ENOENT, "There is no rate from %s to %s on or before %s.",
			       currency != NULL ? currency : "an unknown currency", t->target, day);
	}
	*ret = x->direct ? i128_divide_half_even(amount * x->rate, RATE_SCALE)
			 : i128_divide_half_even(amount * RATE_SCALE, x->rate);
	return 0;
}
