/*
 * Lets raw events go when the retention of their class is over (retain_* in the settings): their
 * content first, their keys only when retain_keys says so. In portions with rests between them, by
 * whichever etld comes first; see warehouse migration 0017 for what stays and why. With nothing set
 * it does nothing.
 *
 * A month with nothing left is emptied to its last byte and stays: two empty indexes, 16 KiB. To
 * drop it would take an exclusive lock on the whole of raw, for which every landing transaction and
 * every reader of any month waits, and an event of that month that comes later would have nowhere
 * to land until the month was made again.
 */
#ifndef ETLD_RETENTION_H
#define ETLD_RETENTION_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"
#include "etld/config.h"

struct retention;

struct retention *retention_new(struct daemon *d, struct pgpool *warehouse,
				const struct etld_config *conf) MUST_CHECK;
void retention_stop(struct retention *r); /* before the pool is freed; NULL is fine */
void retention_free(struct retention *r); /* after the pool is freed; NULL is fine */

#endif
