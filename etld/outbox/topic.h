/*
 * A Pub/Sub topic to publish to, over REST: one request carries rows of one ordering key, in their
 * order. Says whether the topic has them all; a request that failed may have arrived (at least
 * once).
 */
#ifndef ETLD_TOPIC_H
#define ETLD_TOPIC_H

#include "common/base/err.h"

struct event_base;
struct topic;

struct topic_options {          /* borrowed while the topic lives */
	const char *name;       /* projects/P/topics/T */
	const char *endpoint;   /* https://pubsub.googleapis.com */
	const char *emulator;   /* host:port; "": none */
	const char *token_file; /* "": the metadata server */
	int64_t timeout_ms;
};

struct topic_message {
	const char *subject, *tenant_id; /* NULL: none */
	struct slice data;               /* base64 */
};

/* e NULL: published. Exactly once, never from inside topic_publish. */
typedef void (*topic_fn)(void *arg, const struct err *e);

/* -EINVAL: the name or the endpoint cannot be. */
int topic_new(struct event_base *base, const struct topic_options *o, struct topic **ret,
	      struct err *e) MUST_CHECK;
void topic_free(struct topic *t); /* what is under way ends with -ECANCELED first; NULL is fine */

/* Can it be published to in this turn of the loop? Else why not: the access token is on its way
 * (-EAGAIN), or there is none; ask again later. */
bool topic_ready(struct topic *t, struct err *e);
/* The messages are copied. Less than 0 with e filled: not sent, fn is not called. */
int topic_publish(struct topic *t, const char *ordering_key, const struct topic_message *messages,
		  size_t n, topic_fn fn, void *arg, struct err *e) MUST_CHECK;

#endif
