/*
 * The inside of JSON strings that the scanner has validated: reading through the escapes, byte by
 * byte, without writing the result anywhere. Nothing here checks; malformed input is a bug.
 */
#ifndef INGESTD_UNESCAPE_H
#define INGESTD_UNESCAPE_H

#include "common/base/base.h"

/* The UTF-16 unit of the four hex digits at p, or -1 (the one function that does check). */
int32_t unescape_hex4(const char *p, const char *end);
bool unescape_is_high(int32_t unit); /* the first of a surrogate pair */
bool unescape_is_low(int32_t unit);  /* the second */

/* Start with {.p = ..., .end = ...} and the rest zero. */
struct unescape {
	const char *p, *end;
	unsigned char bytes[4]; /* of the escape that is being given out */
	unsigned len, next;
};

/* The next byte of the content, -1 after the last. */
int unescape_next(struct unescape *u);

/* Same content? *_escaped says whether a backslash occurs. */
bool unescape_equal(struct slice a, bool a_escaped, struct slice b, bool b_escaped);

#endif
