/* Reading through escapes; see unescape.h. */
#include "ingestd/reading/unescape.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int32_t unescape_hex4(const char *p, const char *end)
{
	int32_t v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_value(p[i]);

		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

bool unescape_is_high(int32_t unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

bool unescape_is_low(int32_t unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/* The UTF-8 bytes of a code point. */
static void put_utf8(struct unescape *u, uint32_t point)
{
	static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

	u->len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	for (unsigned i = u->len - 1; i > 0; i--) {
		u->bytes[i] = (unsigned char)(0x80 | (point & 0x3f));
		point >>= 6;
	}
	u->bytes[0] = (unsigned char)(leads[u->len] | point);
}

/* p is at a backslash. */
static void decode(struct unescape *u)
{
	static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
	const char *letter = strchr(letters, u->p[1]);
	int32_t high;

	u->next = 0;
	if (u->p[1] != 'u') {
		put_utf8(u, (unsigned char)(letter != NULL ? controls[letter - letters] : u->p[1]));
		u->p += 2;
		return;
	}
	high = unescape_hex4(u->p + 2, u->end);
	u->p += 6;
	if (unescape_is_high(high)) {
		int32_t low = unescape_hex4(u->p + 2, u->end);

		high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
		u->p += 6;
	}
	put_utf8(u, (uint32_t)high);
}

int unescape_next(struct unescape *u)
{
	if (u->next == u->len) {
		if (u->p == u->end)
			return -1;
		if (*u->p != '\\')
			return (unsigned char)*u->p++;
		decode(u);
	}
	return u->bytes[u->next++];
}

bool unescape_equal(struct slice a, bool a_escaped, struct slice b, bool b_escaped)
{
	struct unescape x = {.p = a.ptr, .end = a.ptr + a.len};
	struct unescape y = {.p = b.ptr, .end = b.ptr + b.len};
	int byte;

	if (!a_escaped && !b_escaped)
		return slice_eq(a, b);
	do {
		byte = unescape_next(&x);
		if (byte != unescape_next(&y))
			return false;
	} while (byte >= 0);
	return true;
}
