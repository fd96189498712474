/*
 * Several POSTs in flight to one URL over kept-alive connections; the only user of libcurl among
 * the tools. A slot is one connection; it carries one request at a time.
 */
#ifndef TOOLS_REPLAY_HTTP_H
#define TOOLS_REPLAY_HTTP_H

#include "common/base/err.h"

struct replay_http;

struct replay_answer {
	const char *failure; /* why no (whole) answer came, or NULL */
	long status;
	int64_t retry_after_ms; /* 0: the server did not say */
	struct slice body;      /* borrowed until the callback returns */
};

/* Called from replay_http_run only, once per request. The slot is free again. */
typedef void (*replay_answer_fn)(void *arg, size_t slot, const struct replay_answer *a);

/* Takes copies of url and token. */
int replay_http_new(const char *url, const char *token, size_t slots, replay_answer_fn fn,
		    void *arg, struct replay_http **ret, struct err *e) MUST_CHECK;
void replay_http_free(struct replay_http *h); /* requests in flight are dropped; NULL is fine */
/* Posts NDJSON; `body` is borrowed until the answer. */
void replay_http_post(struct replay_http *h, size_t slot, struct slice body);
/* Moves what can move; then waits until something happens, `fd` (or -1) is readable, a signal
 * comes, or the time is over. */
int replay_http_run(struct replay_http *h, int fd, int timeout_ms, struct err *e) MUST_CHECK;

#endif
