/*
 * Pub/Sub by pull, over REST, for deployments that nothing can push to (`pull_subscriptions`): each
 * subscription is asked for messages, these go the way of all events, and their ids are
 * acknowledged after the commit. While a landing takes long the messages' deadline is extended;
 * when it fails they are handed back at once, and what had landed counts as duplicate next time.
 *
 * Nothing is pulled while the queue is full, the warehouse is away, or `pull_outstanding` messages
 * of the subscription wait for their commit: what is not pulled waits in Pub/Sub. An
 * acknowledgement that gets lost is not repeated: the message comes again, lands as a duplicate and
 * is acknowledged.
 *
 * PUBSUB_EMULATOR_HOST (host:port) is asked instead of `pull_url`, in plain text and without token.
 */
#ifndef INGESTD_PULLER_H
#define INGESTD_PULLER_H

#include "common/daemon/daemon.h"
#include "ingestd/config.h"
#include "ingestd/door/intake.h"

struct puller;

/* *ret is NULL when no subscription is configured. */
int puller_open(struct daemon *d, const struct ingestd_config *conf, struct intake *intake,
		struct puller **ret, struct err *e) MUST_CHECK;
/* After the last message was settled; NULL is fine, here and below. */
void puller_free(struct puller *p);
/* Pulls no more; on_idle once when all that was pulled is settled and said so, maybe at once. */
void puller_drain(struct puller *p, void (*on_idle)(void *arg), void *arg);

#endif
