/*
 * L1: an error on its way up. A function that can fail returns 0 or a negative errno and fills
 * `struct err` with one sentence, without newline, that says what, where and what is allowed.
 * common/ reports errors this way and does not log them; the daemon module that decides what
 * happens next (retry, 4xx, 503, dead letter, quit) logs once.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include "common/base/base.h"

struct err {
	int code;         /* negative errno; 0 = none */
	char sqlstate[6]; /* set when Postgres said it, else "" */
	char msg[512];    /* truncated when longer */
};

#define ERR_INIT ((struct err){.code = 0})

/* Sets e (which may be NULL) and returns code, so that a failure is `return err_set(e, -EINVAL,
 * …)`. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "<context>: " in front of what e already says; returns e->code (or code when e is NULL). */
int err_wrap(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
