/*
 * L2: an HTTP client on the loop: libcurl's multi interface, its only user. For short answers of
 * services (key sets, tokens, REST calls): an answer is held in memory up to a cap, an exchange has
 * one time limit for everything, redirects are not followed, proxies from the environment are not
 * used, and plain http goes to loopback only unless the caller insists.
 */
#ifndef COMMON_HTTPC_H
#define COMMON_HTTPC_H

#include "common/base/err.h"

#define HTTPC_PENDING_MAX 64 /* exchanges at a time */

struct event_base;
struct httpc;

struct httpc_request { /* everything is copied */
	const char *url;
	const char *const *headers; /* "Name: value", ended by NULL; may be NULL */
	const struct slice *body;   /* NULL: GET, else POST */
	size_t answer_max;          /* bytes */
	int64_t timeout_ms;         /* from submit to the last byte */
	bool plain_http;            /* to any host */
};

/* Borrowed until the callback returns. */
struct httpc_answer {
	int status; /* of HTTP; 3xx are answers like any other */
	struct slice body;
	const void *handle;
};
/* The header's last value, by case-insensitive name, or NULL. Valid until the next call. */
const char *httpc_header(const struct httpc_answer *a, const char *name);

/* An answer, or NULL and the reason: -ETIMEDOUT, -EMSGSIZE (longer than answer_max), -ECANCELED
 * (httpc_free), -EIO (no connection, TLS, a broken answer). Exactly once, never from inside
 * httpc_submit; may submit again or free the client. */
typedef void (*httpc_fn)(void *arg, const struct httpc_answer *a, const struct err *e);

struct httpc *httpc_new(struct event_base *base) MUST_CHECK;
void httpc_free(struct httpc *h); /* what is under way ends with -ECANCELED first */
/* -EINVAL: a URL that is not allowed; -EAGAIN: HTTPC_PENDING_MAX. fn is not called then. */
int httpc_submit(struct httpc *h, const struct httpc_request *q, httpc_fn fn, void *arg,
		 struct err *e) MUST_CHECK;

#endif
