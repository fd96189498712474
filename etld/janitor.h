/*
 * Periodic work that no event triggers: partitions ahead of time, refreshes that waited to be
 * coalesced becoming outbox rows, dead letters becoming alerts, old outbox rows going, and what
 * /metrics says about jobs and failed keys. Every etld runs it; the statements are idempotent.
 */
#ifndef ETLD_JANITOR_H
#define ETLD_JANITOR_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"

struct janitor;

struct janitor *janitor_new(struct daemon *d, struct pgpool *control,
			    struct pgpool *warehouse) MUST_CHECK;
void janitor_stop(
	struct janitor *j); /* starts nothing more; before the pools are freed; NULL is fine */
void janitor_free(struct janitor *j); /* after the pools are freed */

#endif
