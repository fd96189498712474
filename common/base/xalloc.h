/*
 * L0: allocation that does not return NULL. Running out of memory aborts (the supervisor restarts
 * the daemon and nothing unacknowledged is lost); therefore no size may come from input before it
 * was held against a cap.
 */
#ifndef COMMON_XALLOC_H
#define COMMON_XALLOC_H

#include "common/base/base.h"

void *xmalloc(size_t size) MUST_CHECK;
void *xcalloc(size_t n, size_t size) MUST_CHECK; /* aborts when n * size overflows */
void *xreallocarray(void *p, size_t n, size_t size) MUST_CHECK;
char *xstrdup(const char *s) MUST_CHECK;
char *xstrndup(const char *s, size_t n) MUST_CHECK;

#endif
