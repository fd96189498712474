/*
 * What queryd must know of all tenants at any moment: how old the oldest event is that is not
 * applied yet, for the freshness of cached answers, which data versions Redis should hold, and who
 * was deleted: of such a tenant nothing stays in memory. And the versions of dashboards, which are
 * the control database's. One poll a second, sooner when etld's bus says that something was
 * refreshed.
 *
 * A poll that fails leaves what is known; watch_current() then says no after a few seconds, and
 * cached answers are not given any more, since nobody could say how old they are.
 */
#ifndef QUERYD_TENANT_WATCH_H
#define QUERYD_TENANT_WATCH_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"
#include "queryd/tenant/cache.h"
#include "queryd/tenant/tenants.h"

struct watch;

struct watch_options {
	struct daemon *daemon;
	struct pgpool *warehouse, *control;
	struct redisq *redis; /* NULL: none */
	struct cache *cache;
	struct tenants *tenants;
};

struct watch *watch_new(const struct watch_options *o) MUST_CHECK;
void watch_stop(struct watch *w); /* no further poll; NULL is fine */
void watch_free(struct watch *w); /* after its pool is gone */
void watch_wake(struct watch *w);
/* Redis came or went: it is not trusted until its versions are repaired. */
void watch_redis(struct watch *w, bool up);
bool watch_current(const struct watch *w);
/* Whether Redis knows the versions of dashboards as they were a few seconds ago, or later ones. */
bool watch_dashboards(const struct watch *w);
/* Of the last poll: its time and the landing time of the tenant's oldest event that waits (0:
 * none), microseconds since 1970. */
void watch_pending(const struct watch *w, const char *tenant_id, int64_t *ret_now_us,
		   int64_t *ret_oldest_us);

#endif
