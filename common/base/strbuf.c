/* Growable byte string with a hard maximum; see strbuf.h. */
#include "common/base/strbuf.h"

#include <math.h>

#include "common/base/utf8.h"
#include "common/base/xalloc.h"

void strbuf_init(struct strbuf *b, size_t max)
{
	*b = (struct strbuf){.max = max};
}

void strbuf_clear(struct strbuf *b)
{
	size_t max = b->max;

	free(b->ptr);
	strbuf_init(b, max);
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->ptr != NULL)
		b->ptr[0] = '\0';
}

/* Makes room for `extra` bytes and the terminator; false (and overflow) when that passes max. */
static bool grow(struct strbuf *b, size_t extra)
{
	size_t need, cap;

	if (b->overflow || extra > b->max - b->len) {
		b->overflow = true;
		return false;
	}
	need = b->len + extra + 1;
	if (need <= b->cap)
		return true;
	cap = b->cap < 64 ? 64 : b->cap;
	while (cap < need)
		cap += cap / 2 + 1;
	b->ptr = xreallocarray(b->ptr, cap, 1);
	b->cap = cap;
	return true;
}

void strbuf_reserve(struct strbuf *b, size_t extra)
{
	bool overflow = b->overflow;

	if (!grow(b, extra))
		b->overflow = overflow;
}

void strbuf_append(struct strbuf *b, const void *p, size_t n)
{
	if (!grow(b, n))
		return;
	if (n != 0)
		memcpy(b->ptr + b->len, p, n);
	b->len += n;
	b->ptr[b->len] = '\0';
}

char *strbuf_extend(struct strbuf *b, size_t n)
{
	char *room;

	if (!grow(b, n))
		return NULL;
	room = b->ptr + b->len;
	b->len += n;
	b->ptr[b->len] = '\0';
	return room;
}

void strbuf_append_str(struct strbuf *b, const char *s)
{
	strbuf_append(b, s, strlen(s));
}

void strbuf_append_slice(struct strbuf *b, struct slice s)
{
	strbuf_append(b, s.ptr, s.len);
}

void strbuf_append_char(struct strbuf *b, char c)
{
	strbuf_append(b, &c, 1);
}

void strbuf_append_i64(struct strbuf *b, int64_t v)
{
	char digits[24];
	char *p = digits + sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u != 0);
	if (v < 0)
		*--p = '-';
	strbuf_append(b, p, (size_t)(digits + sizeof(digits) - p));
}

void strbuf_append_double(struct strbuf *b, double v)
{
	char text[32];

	ASSERT(isfinite(v));
	for (int precision = 15; precision <= 17; precision++) {
		(void)snprintf(text, sizeof(text), "%.*g", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	strbuf_append_str(b, text);
}

void strbuf_vappendf(struct strbuf *b, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	ASSERT(n >= 0);
	if ((size_t)n < sizeof(small)) {
		strbuf_append(b, small, (size_t)n);
	} else if (grow(b, (size_t)n)) {
		(void)vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void strbuf_appendf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vappendf(b, fmt, ap);
	va_end(ap);
}

/* A character of n bytes that may not stand in a JSON string as it is; n 0: it is not UTF-8. */
static void append_escape(struct strbuf *b, const unsigned char *p, size_t n)
{
	if (n == 0)
		strbuf_append_str(b, "\\ufffd");
	else if (n == 2) /* C1: U+0080 to U+009F are their second byte */
		strbuf_appendf(b, "\\u%04x", p[1]);
	else if (*p == '"')
		strbuf_append_str(b, "\\\"");
	else if (*p == '\\')
		strbuf_append_str(b, "\\\\");
	else if (*p == '\n')
		strbuf_append_str(b, "\\n");
	else if (*p == '\t')
		strbuf_append_str(b, "\\t");
	else
		strbuf_appendf(b, "\\u%04x", *p);
}

static bool needs_escape(const unsigned char *p, size_t n)
{
	switch (n) {
	case 0:
		return true;
	case 1:
		return *p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\';
	default:
		return n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
	}
}

void strbuf_append_json(struct strbuf *b, struct slice s)
{
	const unsigned char *u = (const unsigned char *)s.ptr;
	size_t from = 0, i = 0; /* [from, i) is to be copied */

	strbuf_append_char(b, '"');
	while (i < s.len) {
		size_t n = utf8_sequence(s.ptr + i, s.len - i);

		if (!needs_escape(u + i, n)) {
			i += n;
			continue;
		}
		strbuf_append(b, u + from, i - from);
		append_escape(b, u + i, n);
		i += n != 0 ? n : 1;
		from = i;
	}
	if (i > from)
		strbuf_append(b, u + from, i - from);
	strbuf_append_char(b, '"');
}

void strbuf_append_be16(struct strbuf *b, uint16_t v)
{
	unsigned char p[2] = {(unsigned char)(v >> 8), (unsigned char)v};

	strbuf_append(b, p, sizeof(p));
}

void strbuf_append_be32(struct strbuf *b, uint32_t v)
{
	strbuf_append_be16(b, (uint16_t)(v >> 16));
	strbuf_append_be16(b, (uint16_t)v);
}

void strbuf_append_be64(struct strbuf *b, uint64_t v)
{
	strbuf_append_be32(b, (uint32_t)(v >> 32));
	strbuf_append_be32(b, (uint32_t)v);
}

const char *strbuf_cstr(const struct strbuf *b)
{
	return b->ptr != NULL ? b->ptr : "";
}

char *strbuf_take(struct strbuf *b)
{
	char *p = b->ptr != NULL ? b->ptr : xstrdup("");

	b->ptr = NULL;
	strbuf_clear(b);
	return p;
}
