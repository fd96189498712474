/*
 * L0: a growable byte string, the only string builder. It is always NUL-terminated after the first
 * append, may hold any byte, and never grows past `max`: an append that would is dropped whole and
 * sets `overflow`, which the caller checks once at the end.
 *
 * Growing moves the bytes: pointers into ->ptr die with the next append.
 */
#ifndef COMMON_STRBUF_H
#define COMMON_STRBUF_H

#include <stdarg.h>

#include "common/base/base.h"

struct strbuf {
	char *ptr; /* NULL until the first append */
	size_t len, cap, max;
	bool overflow;
};

#define STRBUF_DEFAULT_MAX ((size_t)64 << 20)
#define STRBUF_INIT        ((struct strbuf){.max = STRBUF_DEFAULT_MAX})

void strbuf_init(struct strbuf *b, size_t max);
void strbuf_clear(struct strbuf *b); /* frees; b is empty and usable again, max kept */
void strbuf_reset(struct strbuf *b); /* len = 0, memory kept */
void strbuf_reserve(struct strbuf *b, size_t extra);

void strbuf_append(struct strbuf *b, const void *p, size_t n);
/* Room for n bytes that the caller fills at once; NULL when that would pass max. */
char *strbuf_extend(struct strbuf *b, size_t n) MUST_CHECK;
void strbuf_append_str(struct strbuf *b, const char *s);
void strbuf_append_slice(struct strbuf *b, struct slice s);
void strbuf_append_char(struct strbuf *b, char c);
void strbuf_append_i64(struct strbuf *b, int64_t v);
void strbuf_append_double(struct strbuf *b, double v); /* finite; shortest text that reads back */
void strbuf_appendf(struct strbuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_vappendf(struct strbuf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Appends `s` as a JSON string with quotes. Control characters (C0, DEL, C1) are escaped; a byte
 * that is not UTF-8 becomes U+FFFD, so that whatever is put in, valid JSON comes out. */
void strbuf_append_json(struct strbuf *b, struct slice s);
/* Big-endian integers, for the binary COPY format. */
void strbuf_append_be16(struct strbuf *b, uint16_t v);
void strbuf_append_be32(struct strbuf *b, uint32_t v);
void strbuf_append_be64(struct strbuf *b, uint64_t v);

static inline struct slice strbuf_slice(const struct strbuf *b)
{
	return (struct slice){b->ptr, b->len};
}

/* The content as a C string; "" when nothing was appended. */
const char *strbuf_cstr(const struct strbuf *b);
/* Hands the heap string to the caller (never NULL) and empties b. */
char *strbuf_take(struct strbuf *b) MUST_CHECK;

#endif
