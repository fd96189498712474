/*
 * Strict number parsing; see num.h. The integer reader is ours because strtol skips spaces, takes a
 * plus sign and needs a terminator; strtod sees only what passed the JSON grammar before.
 */
#include "common/base/num.h"

#include <errno.h>
#include <math.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads the leading digits of s: how many; the value in *ret, or UINT64_MAX when it is larger. */
static size_t read_digits(struct slice s, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < s.len && is_digit(s.ptr[i]); i++) {
		unsigned digit = (unsigned)(s.ptr[i] - '0');

		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
			v = UINT64_MAX;
	}
	*ret = v;
	return i;
}

int num_i64(struct slice s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = s.len > 0 && s.ptr[0] == '-';
	uint64_t u;
	int64_t v;

	if (negative)
		s = (struct slice){s.ptr + 1, s.len - 1};
	if (s.len == 0 || read_digits(s, &u) != s.len)
		return -EINVAL;
	if (u > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	/* negated as unsigned: INT64_MIN has no positive */
	v = (int64_t)(negative ? 0 - u : u);
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int num_bool(struct slice s, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{"true", true},   {"on", true},   {"yes", true}, {"1", true},
		{"false", false}, {"off", false}, {"no", false}, {"0", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (slice_eq_str(s, words[i].word)) {
			*ret = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

static size_t skip_digits(struct slice s, size_t i)
{
	while (i < s.len && is_digit(s.ptr[i]))
		i++;
	return i;
}

/* -? (0 | [1-9][0-9]*) (\.[0-9]+)? ([eE][+-]?[0-9]+)? */
static bool is_json_number(struct slice s)
{
	size_t i = s.len > 0 && s.ptr[0] == '-', from = i;

	i = skip_digits(s, i);
	if (i == from || (s.ptr[from] == '0' && i > from + 1))
		return false;
	if (i < s.len && s.ptr[i] == '.') {
		from = ++i;
		i = skip_digits(s, i);
		if (i == from)
			return false;
	}
	if (i < s.len && (s.ptr[i] == 'e' || s.ptr[i] == 'E')) {
		i++;
		if (i < s.len && (s.ptr[i] == '+' || s.ptr[i] == '-'))
			i++;
		from = i;
		i = skip_digits(s, i);
		if (i == from)
			return false;
	}
	return i == s.len;
}

int num_double(struct slice s, double *ret)
{
	char text[1024]; /* more digits than any double needs */
	double v;

	if (!is_json_number(s))
		return -EINVAL;
	if (s.len >= sizeof(text))
		return -ERANGE;
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	/* no locale is ever set, so the decimal point is '.' */
	v = strtod(text, NULL);
	if (!isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

struct unit {
	const char *name;
	int64_t factor;
};

static int parse_with_unit(struct slice s, const struct unit *units, size_t n, int64_t *ret)
{
	uint64_t u;
	size_t digits = read_digits(s, &u);

	if (digits == 0)
		return -EINVAL;
	s = (struct slice){s.ptr + digits, s.len - digits};
	for (size_t i = 0; i < n; i++) {
		if (!slice_eq_str(s, units[i].name))
			continue;
		if (u > (uint64_t)(INT64_MAX / units[i].factor))
			return -ERANGE;
		*ret = (int64_t)u * units[i].factor;
		return 0;
	}
	return -EINVAL;
}

int num_duration_ms(struct slice s, int64_t *ret)
{
	static const struct unit units[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
	};

	return parse_with_unit(s, units, ARRAY_SIZE(units), ret);
}

int num_size(struct slice s, int64_t *ret)
{
	static const struct unit units[] = {
		{"B", 1},
		{"KiB", INT64_C(1) << 10},
		{"MiB", INT64_C(1) << 20},
		{"GiB", INT64_C(1) << 30},
	};

	return parse_with_unit(s, units, ARRAY_SIZE(units), ret);
}
