/*
 * What must be known of a tenant before it is served, and the way to its rows: connections logged
 * in as the tenant's own role. A tenant without rows is served as analytics_nobody, which sees
 * none; one that has rows and no role yet gets its role here.
 *
 * What is known is at most 30 s old and is renewed in the background while the tenant is in use; at
 * most 4096 tenants are remembered.
 */
#ifndef QUERYD_TENANT_TENANTS_H
#define QUERYD_TENANT_TENANTS_H

#include "queryd/tenant/extent.h"
#include "queryd/tenant/query.h"
#include "queryd/tenant/residency.h"

struct event_base;
struct tenants;
struct metric_set;
struct tenant; /* borrowed until the loop's next turn */

enum quality { QUALITY_OK, QUALITY_WARNING, QUALITY_FAILED };

struct tenants_options {                    /* texts are copied */
	const char *url;                    /* warehouse */
	const char *master_key;             /* of the roles' passwords */
	const char *scope_key;              /* signs property scopes */
	struct pgpool *warehouse, *control; /* queryd's own */
	int connections, share;             /* for all tenants, for one */
	int64_t wait_ms, query_timeout_ms;
	int64_t rate; /* requests per tenant and second */
};

struct tenants *tenants_new(struct event_base *base, const struct tenants_options *o) MUST_CHECK;
/* Closes the connections: what runs ends with -ECANCELED. tenants_free comes after the pools of the
 * options are gone too. NULL is fine for both. */
void tenants_close(struct tenants *t);
void tenants_free(struct tenants *t);

/* How many queries wait for a connection of theirs. */
size_t tenants_waiting(const struct tenants *t);
/* What is known of a tenant now, or NULL: then load it. */
struct tenant *tenants_find(struct tenants *t, const char *tenant_id);
typedef void (*tenants_fn)(void *arg, const struct err *e);
/* fn gets e NULL once tenants_find() finds it; never called from inside the call. */
void tenants_load(struct tenants *t, const char *tenant_id, tenants_fn fn, void *arg);
/* The same, and what is found then is not older than this call: after a change of our own. */
void tenants_reload(struct tenants *t, const char *tenant_id, tenants_fn fn, void *arg);

bool tenant_deleted(const struct tenant *n);
/* The local date of the property, else (NULL, unknown) of the tenant, else UTC. */
int32_t tenant_today(const struct tenant *n, const char *property_id);
/* The ISO weekday on which its weeks begin: the day after its weekend. */
int tenant_week_start(const struct tenant *n);
/* Its own metrics, beside those of the platform; borrowed like the tenant. NULL: none. */
struct metric_set *tenant_metrics(const struct tenant *n);
/* Which dates of it can be read here; borrowed likewise. NULL: all. */
const struct residency *tenant_residency(const struct tenant *n);
/* How many rows it has; borrowed likewise. */
const struct extent *tenant_extent(const struct tenant *n);
/* The worst state among the tables (ended by NULL). */
enum quality tenant_quality(const struct tenant *n, const char *const *tables);
/* Counts a request; how many more this second allows, negative: one too many. */
int64_t tenant_admit(struct tenant *n);

/* Runs statements in one read-only snapshot as the tenant, seeing the properties of `scope` (a
 * principal's scope text); as query_start(). The tenant was found in this turn. */
struct query *tenant_query(struct tenant *n, const char *scope, const struct pgstmt *stmts,
			   size_t count, pgconn_fn fn, void *arg);

#endif
