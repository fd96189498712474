/*
 * L0: the words every other file uses. No types of the product, no allocation, libc only.
 */
#ifndef COMMON_BASE_H
#define COMMON_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN               __attribute__((noreturn))
#define UNUSED                 __attribute__((unused))
#define ARRAY_SIZE(a)          (sizeof(a) / sizeof((a)[0]))

/* Our own bugs only; input, network, disk and database are errors. On in every build. */
#define ASSERT(cond)                                                                    \
	do {                                                                            \
		if (!(cond)) {                                                          \
			fprintf(stderr, "BUG: %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* Every long-lived struct that travels as a callback's void * starts with a magic number, so that a
 * use after free stops at the first line of the callback. */
#define OBJ_MAGIC(m)      (0x6d656c00U | (unsigned)(m))
#define OBJ_CHECK(ptr, m) ASSERT((ptr) != NULL && (ptr)->magic == (m))

/* Borrowed bytes, not terminated. ptr may be NULL only when len is 0. */
struct slice {
	const char *ptr;
	size_t len;
};

#define SLICE_LIT(s) ((struct slice){(s), sizeof(s) - 1})
/* The same in the initializer of a static table. */
#define SLICE_INIT(s)              \
	{                          \
		(s), sizeof(s) - 1 \
	}

static inline struct slice slice_of(const char *s)
{
	return (struct slice){s, s != NULL ? strlen(s) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_of(s));
}

static inline bool slice_starts(struct slice a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.len >= n && memcmp(a.ptr, prefix, n) == 0;
}

#endif
