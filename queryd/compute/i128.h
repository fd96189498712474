/*
 * 128-bit integers: sums of 64-bit amounts over any number of rows are exact, and so is a quotient
 * up to its one rounding.
 */
#ifndef QUERYD_COMPUTE_I128_H
#define QUERYD_COMPUTE_I128_H

#include "common/base/strbuf.h"

__extension__ typedef __int128 i128;

/* The text of a Postgres integer or whole numeric. -EINVAL: another form, or over 38 digits. */
int i128_parse(const char *text, i128 *ret) MUST_CHECK;
void i128_append(struct strbuf *out, i128 v);
/* n / d to the nearest integer, halves to the even one; d is not 0. */
i128 i128_divide_half_even(i128 n, i128 d);
/* n / d; d is not 0. */
double i128_ratio(i128 n, i128 d);

#endif
