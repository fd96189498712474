/* 128-bit integers; see i128.h. */
#include "queryd/compute/i128.h"

#include <errno.h>

#define DIGITS_MAX 38 /* of the largest, which has 39 */

int i128_parse(const char *text, i128 *ret)
{
	bool negative = text[0] == '-';
	const char *digits = text + negative;
	size_t n = strspn(digits, "0123456789");
	i128 v = 0;

	if (n == 0 || n > DIGITS_MAX || digits[n] != '\0')
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (digits[i] - '0');
	*ret = negative ? -v : v;
	return 0;
}

void i128_append(struct strbuf *out, i128 v)
{
	char text[DIGITS_MAX + 3];
	size_t at = sizeof(text);
	bool negative = v < 0;

	do {
		int digit = (int)(v % 10);

		text[--at] = (char)('0' + (negative ? -digit : digit));
		v /= 10;
	} while (v != 0);
	if (negative)
		text[--at] = '-';
	strbuf_append(out, text + at, sizeof(text) - at);
}

i128 i128_divide_half_even(i128 n, i128 d)
{
	i128 quotient = n / d, rest = n % d;
	i128 twice = (rest < 0 ? -rest : rest) * 2, size = d < 0 ? -d : d;

	if (twice > size || (twice == size && quotient % 2 != 0))
		quotient += (n < 0) == (d < 0) ? 1 : -1;
	return quotient;
}

double i128_ratio(i128 n, i128 d)
{
	return (double)((long double)n / (long double)d);
}
