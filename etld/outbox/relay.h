/*
 * The outbox relay: what we publish, from analytics_run.outbox to Pub/Sub, the ZeroMQ bus, or both.
 *
 * At least once, and in the order of the commits for each ordering key: outbox_id is taken under a
 * lock that is held until the commit (0009_operations.sql), so the rows of a key that can be seen
 * are a prefix of it, and sending them by id needs no waiting. Keys are spread over 64 shards; a
 * relay leases the shards that have something to send, and of a leased shard nobody else sends. One
 * that dies loses them when the lease ends; one that lives never sends later than its lease allows.
 *
 * A key stops at its first failure: the row waits, with jitter and ever longer, and after its last
 * attempt the key is parked until an operator says `etld outbox retry`. Other keys go on.
 */
#ifndef ETLD_RELAY_H
#define ETLD_RELAY_H

#include "common/daemon/daemon.h"
#include "common/net/zsock.h"
#include "common/pg/pgpool.h"
#include "etld/outbox/topic.h"

struct relay;

struct relay_options {
	struct topic *topic; /* may be NULL, */
	struct zsock *bus;   /* or this, not both; (subject, envelope) goes out */
	int64_t poll_ms, lease_ms;
};

/* Half of it is left for the statements around a request. */
static inline int64_t relay_send_limit_ms(int64_t lease_ms)
{
	return lease_ms / 2 < 10000 ? lease_ms / 2 : 10000;
}

struct relay *relay_new(struct daemon *d, struct pgpool *warehouse,
			const struct relay_options *o) MUST_CHECK;
/* Takes no more rows; on_done once its leases are given back. */
void relay_drain(struct relay *r, void (*on_done)(void *arg), void *arg);
void relay_stop(struct relay *r); /* before the pool and the topic are freed; NULL is fine */
void relay_free(struct relay *r); /* after them */

#endif
