/*
 * L0: memory with one lifetime. Everything a request, batch or unit of work allocates lives in its
 * arena and goes at once; foreign resources hang on it by arena_defer. Never freed piecewise.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include "common/base/base.h"

struct arena;

struct arena *arena_new(void) MUST_CHECK;
void arena_free(struct arena *a); /* runs the deferred functions, last first; NULL is fine */
void *arena_alloc(struct arena *a, size_t size) MUST_CHECK; /* zeroed, aligned for any type */
char *arena_strndup(struct arena *a, const char *s, size_t n) MUST_CHECK;
char *arena_strdup(struct arena *a, const char *s) MUST_CHECK;
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
void arena_defer(struct arena *a, void (*fn)(void *), void *arg);
size_t arena_size(const struct arena *a); /* bytes handed out */

#endif
