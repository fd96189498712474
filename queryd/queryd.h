/* The state of one queryd process and the parts it is wired from; private to queryd/. */
#ifndef QUERYD_QUERYD_H
#define QUERYD_QUERYD_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"
#include "common/pg/schema.h"
#include "queryd/config.h"
#include "queryd/metric/registry.h"
#include "queryd/tenant/cache.h"
#include "queryd/tenant/tenants.h"
#include "queryd/tenant/watch.h"

struct adhoc;
struct budget;
struct compute;
struct cost;
struct courier;
struct generator;
struct oidc;
struct recall;
struct rolekeeper;
struct widget_lists;

struct queryd {
	struct daemon *daemon;
	struct pgpool *control, *warehouse; /* logged in as queryd itself */
	struct redisq *redis;
	struct zsock *bus;
	struct jwks *jwks;
	struct oidc *scheduler; /* NULL: nobody schedules */
	struct httpd *http;
	char rate[24]; /* requests a second of a tenant, as answers say it that count against none
			*/
	struct schema_check *control_schema, *warehouse_schema;
	bool control_ok, warehouse_ok;
	struct tenants *tenants;
	struct versions *versions;
	struct shelf *shelf, *forms; /* of the cache */
	struct cache *cache;
	struct watch *watch;
	struct registry *registry;
	struct recall *recall;
	struct widget_lists *widget_lists;
	struct compute *compute;
	struct adhoc *adhoc;
	struct courier *courier;
	struct budget *budget;
	struct cost *cost;
	struct generator *generator;
	struct rolekeeper *rolekeeper;
	bool ready; /* the registry is loaded: requests are served */
};

/* Opens the parts; those that read tables start when both schemas are right. */
int queryd_open(struct daemon *d, struct queryd *st, struct err *e) MUST_CHECK;
/* Nothing is asked any more: what is owed is written, then fn is called. */
void queryd_settle(struct queryd *st, void (*fn)(void *arg), void *arg);
void queryd_close(struct daemon *d, void *state);

#endif
