/*
 * Cursors: what the next page goes on after, as text that only we can make and read:
 * "<mac>.<position>" in hexadecimal. The mac is of the context (whose question it is, and which)
 * and the position, which is enciphered under it.
 */
#ifndef QUERYD_COMPUTE_CURSOR_H
#define QUERYD_COMPUTE_CURSOR_H

#include "common/base/arena.h"

const char *cursor_seal(struct slice key, const char *context, struct slice position,
			struct arena *a) MUST_CHECK;
/* The position; -EINVAL when it is not one that was sealed for this context. */
int cursor_open(struct slice key, const char *context, const char *cursor, struct arena *a,
		struct slice *ret) MUST_CHECK;

#endif
