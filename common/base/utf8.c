/* Strict UTF-8; see utf8.h. */
#include "common/base/utf8.h"

/* Lead bytes, and what their second byte may be; further ones are 80-BF (Unicode table 3-7). */
static const struct {
	unsigned char lead_from, lead_to, second_from, second_to;
	size_t len;
} forms[] = {
	{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
	{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
	{0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t utf8_sequence(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;

	if (n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		if (u[0] < forms[f].lead_from || u[0] > forms[f].lead_to)
			continue;
		if (n < forms[f].len || u[1] < forms[f].second_from || u[1] > forms[f].second_to)
			return 0;
		for (size_t i = 2; i < forms[f].len; i++)
			if (u[i] < 0x80 || u[i] > 0xbf)
				return 0;
		return forms[f].len;
	}
	return 0;
}

bool utf8_valid(struct slice s)
{
	for (size_t i = 0, n; i < s.len; i += n) {
		n = utf8_sequence(s.ptr + i, s.len - i);
		if (n == 0)
			return false;
	}
	return true;
}
