/*
 * L2: one asynchronous Redis connection on hiredis 0.14; its only user. Redis is never the judge:
 * every caller has an answer for "down", so commands fail fast (-EAGAIN while down, -ETIMEDOUT)
 * instead of waiting for a reconnect, which goes on in the background with backoff.
 */
#ifndef COMMON_REDISQ_H
#define COMMON_REDISQ_H

#include "common/base/err.h"

struct event_base;
struct redisq;

/* A reply, borrowed until the callback returns. Arrays have elements. */
enum redisq_kind { REDISQ_NIL, REDISQ_STRING, REDISQ_INTEGER, REDISQ_ARRAY, REDISQ_ERROR };
struct redisq_reply;
enum redisq_kind redisq_kind(const struct redisq_reply *r);
struct slice redisq_str(const struct redisq_reply *r);
int64_t redisq_int(const struct redisq_reply *r);
size_t redisq_len(const struct redisq_reply *r);
const struct redisq_reply *redisq_at(const struct redisq_reply *r, size_t i);

/* err 0 with a reply, or a negative errno with reply NULL. Exactly once, never from inside the
 * call. */
typedef void (*redisq_fn)(void *arg, int err, const struct redisq_reply *reply);

/*
 * url: redis://[[user]:password@]host[:port][/db] or unix:///path[?db=N]; user and password may be
 * percent-encoded. A host name is resolved here, once (it blocks, so at start only), and its
 * addresses are tried in turn; nothing else blocks and a server that is down is no error. At most
 * pending_max commands wait for their reply.
 *
 * A command without reply after timeout_ms means a stuck server: the connection is given up, all
 * commands on it end with -ETIMEDOUT, and until a new one answers PING everything fails at once.
 * A lost connection ends them with -ECONNRESET: whether they ran is unknown.
 *
 * on_state is told on each change (may be NULL). Neither it nor a redisq_fn may free q.
 */
int redisq_new(struct event_base *base, const char *url, int pending_max, int64_t timeout_ms,
	       void (*on_state)(void *arg, bool up), void *arg, struct redisq **ret,
	       struct err *e) MUST_CHECK;
void redisq_free(struct redisq *q); /* pending commands end with -ECANCELED */
bool redisq_up(const struct redisq *q);
/* Why it is down, for logs; "" as long as nothing failed. */
const char *redisq_reason(const struct redisq *q);
/* fn may be NULL (fire and forget). Arguments are copied. Not for SUBSCRIBE and MONITOR. */
void redisq_command(struct redisq *q, const struct slice *argv, size_t argc, redisq_fn fn,
		    void *arg);

#endif
