/*
 * Makes the snapshots that sync/pull.h hands out: results of widgets, computed before anybody asks.
 *
 * Which: widgets of shared dashboards, for the scopes that were pulled lately; a tenant that nobody
 * pulls costs nothing. Each is computed like any read of it, as the tenant and within exactly the
 * scope that may pull it, so it never holds more than a reader with that scope may see; on the
 * dashboard of a property it is that property's alone.
 *
 * When: every sync_hot, sync_cold when its metrics' freshness goal is above 5 minutes, sync_heavy
 * when it reads more than sync_heavy_bytes. The result comes from the cache, and costs nothing,
 * while the data's version stands; a snapshot with the same question and versions as the one before
 * is not made. Not while the tenant's budget of the day is used up.
 *
 * Who: any number of processes take leases in the control database (analytics.claim_snapshots), a
 * few at a time and in turns among tenants. It makes one of a tenant at a time, and begins none
 * while a reader waits for a connection: whoever looks comes first. One that is killed loses its
 * leases after a minute, and nothing else: a snapshot is stored whole, under its lease, or not at
 * all.
 *
 * One that fails, or is above 64 KiB, says so instead of its result ("omitted").
 */
#ifndef QUERYD_SYNC_GENERATOR_H
#define QUERYD_SYNC_GENERATOR_H

#include "queryd/queryd.h"

struct generator;

struct generator *generator_new(struct queryd *st) MUST_CHECK;
void generator_stop(struct generator *g);
void generator_free(struct generator *g); /* after pools and compute ended; NULL is fine for both */

#endif
