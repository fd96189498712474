/*
 * What is known of tenants; see tenants.h.
 *
 *   find ─▶ (provision) ─▶ places, as the tenant ─┬─▶ known
 *   quality, own metrics ─────────────────────────┤
 *   how much it has ──────────────────────────────┘
 */
#include "queryd/tenant/tenants.h"

#include <errno.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/strbuf.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "queryd/compute/calendar.h"
#include "queryd/tenant/facts.h"
#include "sql_gen.h"

#define TENANT_MAGIC    OBJ_MAGIC('t')
#define TENANTS_MAX     4096 /* remembered; the longest unused goes first */
#define BUCKETS         1024
#define ID_MAX          64
#define KNOWN_MS        30000 /* not used after this */
#define RENEW_MS        15000 /* renewed in the background after this */
#define ABSENT_MS       1000  /* a tenant without rows may get its first at any moment */
#define STEP_LIMIT_MS   5000
#define SERVER_FIRST_MS 500 /* so that its statement_timeout comes before ours */
#define WAITING_MAX     1024
#define SECOND_US       INT64_C(1000000)
#define DAY_S           86400
#define NOBODY          "analytics_nobody"

struct waiter {
	TAILQ_ENTRY(waiter) link;
	tenants_fn fn;
	void *arg;
};

struct tenant {
	unsigned magic;
	struct tenants *owner;
	char id[ID_MAX];
	TAILQ_ENTRY(tenant) by_use; /* the longest unused first */
	struct tenant *next;        /* of the bucket */
	struct facts facts, fresh;  /* fresh: what is being loaded */
	bool known, loading;
	bool reload;       /* what is being loaded may be too old for who waits */
	int steps;         /* of the load that have not ended */
	struct err failed; /* the first of them that did */
	int64_t known_mono_ms;
	bool renew_password; /* the role refused the one we derive */
	TAILQ_HEAD(, waiter) waiters;
	int64_t second, admitted; /* requests of the running second */
	char password[2 * HASH_SHA256_LEN + 1];
	const char *params[3], *extent_params[1];
};

struct tenants {
	struct tenants_options o; /* its texts are these */
	char *master_key, *scope_key;
	struct pgpool *pool;
	struct tenant *buckets[BUCKETS];
	TAILQ_HEAD(, tenant) used;
	size_t count;
};

/* ---- the table */

static struct tenant **bucket_of(struct tenants *t, const char *id)
{
	return &t->buckets[hash_fast(slice_of(id)) % BUCKETS];
}

static struct tenant *lookup(struct tenants *t, const char *id)
{
	struct tenant *n = *bucket_of(t, id);

	while (n != NULL && strcmp(n->id, id) != 0)
		n = n->next;
	return n;
}

static void remove_tenant(struct tenants *t, struct tenant *n)
{
	struct tenant **at = bucket_of(t, n->id);

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	TAILQ_REMOVE(&t->used, n, by_use);
	t->count--;
	facts_clear(&n->facts);
	facts_clear(&n->fresh);
	n->magic = 0;
	free(n);
}

/* A tenant that is being loaded stays: its statements point to it. */
static void make_room(struct tenants *t)
{
	struct tenant *n, *next;

	for (n = TAILQ_FIRST(&t->used); n != NULL && t->count >= TENANTS_MAX; n = next) {
		next = TAILQ_NEXT(n, by_use);
		if (!n->loading)
			remove_tenant(t, n);
	}
}

static struct tenant *obtain(struct tenants *t, const char *id)
{
	struct tenant *n = lookup(t, id), **bucket = bucket_of(t, id);

	if (n != NULL)
		return n;
	make_room(t);
	n = xcalloc(1, sizeof(*n));
	n->magic = TENANT_MAGIC;
	n->owner = t;
	ASSERT(strlen(id) < sizeof(n->id));
	memcpy(n->id, id, strlen(id) + 1);
	TAILQ_INIT(&n->waiters);
	n->next = *bucket;
	*bucket = n;
	TAILQ_INSERT_TAIL(&t->used, n, by_use);
	t->count++;
	return n;
}

/* ---- loading */

static void start_load(struct tenant *n);

static void end_load(struct tenant *n, const struct err *e)
{
	TAILQ_HEAD(, waiter) waiters = TAILQ_HEAD_INITIALIZER(waiters);
	struct waiter *k;

	n->loading = false;
	if (e == NULL && n->reload) {
		facts_clear(&n->fresh);
		start_load(n);
		return;
	}
	n->reload = false;
	if (e == NULL) {
		facts_clear(&n->facts);
		n->facts = n->fresh;
		n->fresh = (struct facts){.places = NULL};
		n->known = true;
		n->known_mono_ms = clock_mono_ms();
	} else {
		facts_clear(&n->fresh);
		if (e->code != -ECANCELED)
			log_warn("tenant not loaded", LOG_S("tenant_id", n->id),
				 LOG_S("error", e->msg));
	}
	TAILQ_CONCAT(&waiters, &n->waiters, link);
	while ((k = TAILQ_FIRST(&waiters)) != NULL) {
		TAILQ_REMOVE(&waiters, k, link);
		k->fn(k->arg, e);
		free(k);
	}
}

/* One of the ways to what is known has come to its end. */
static void end_step(struct tenant *n, const struct err *e)
{
	if (e != NULL && n->failed.code == 0)
		n->failed = *e;
	if (--n->steps == 0)
		end_load(n, n->failed.code != 0 ? &n->failed : NULL);
}

static void on_quality(void *arg, const struct pgresult *r, const struct err *e)
{
	struct tenant *n = arg;

	OBJ_CHECK(n, TENANT_MAGIC);
	if (e == NULL) {
		facts_read_quality(&n->fresh, r, QUERY_RESULT);
		facts_read_metrics(&n->fresh, r, QUERY_RESULT + 1, n->id);
	}
	end_step(n, e);
}

static void read_quality(struct tenant *n)
{
	const struct query_target target = {
		.pool = n->owner->o.control, .tenant_id = n->id, .timeout_ms = STEP_LIMIT_MS};

	(void)query_start(&target,
			  (const struct pgstmt[]){{&SQL_queryd_list_quality, NULL},
						  {&SQL_queryd_list_own_metrics, NULL}},
			  2, on_quality, n);
}

static void on_extents(void *arg, const struct pgresult *r, const struct err *e)
{
	struct tenant *n = arg;

	OBJ_CHECK(n, TENANT_MAGIC);
	if (e == NULL)
		n->fresh.extent = extent_read(r, 0);
	end_step(n, e);
}

static void on_places(void *arg, const struct pgresult *r, const struct err *e)
{
	struct tenant *n = arg;

	OBJ_CHECK(n, TENANT_MAGIC);
	if (e != NULL) {
		n->renew_password = e->code == -EACCES; /* the master key was changed */
		end_step(n, e);
		return;
	}
	n->fresh.residency = residency_new(r, QUERY_RESULT + 1);
	facts_read_places(&n->fresh, r, QUERY_RESULT);
	end_step(n, NULL);
}

static struct query *query_as(struct tenant *n, bool absent, const char *scope,
			      const struct pgstmt *stmts, size_t count, pgconn_fn fn, void *arg)
{
	const struct query_target target = {.pool = n->owner->pool,
					    .tenant_id = n->id,
					    .role = absent ? NOBODY : n->id,
					    .scope = scope,
					    .scope_key = slice_of(n->owner->o.scope_key),
					    .timeout_ms = n->owner->o.query_timeout_ms +
							  SERVER_FIRST_MS};

	return query_start(&target, stmts, count, fn, arg);
}

static void read_places(struct tenant *n)
{
	(void)query_as(n, n->fresh.absent, "all",
		       (const struct pgstmt[]){{&SQL_queryd_read_places, NULL},
					       {&SQL_queryd_read_residency, NULL}},
		       2, on_places, n);
}

static void on_provisioned(void *arg, const struct pgresult *r, const struct err *e)
{
	struct tenant *n = arg;

	OBJ_CHECK(n, TENANT_MAGIC);
	if (e != NULL) {
		end_step(n, e);
		return;
	}
	n->renew_password = false;
	if (pgresult_bool(r, 0, 0, 0))
		log_info("tenant provisioned", LOG_S("tenant_id", n->id));
	read_places(n);
}

static void derive_password(void *arg, const char *role, char *out, size_t size)
{
	const struct tenants *t = arg;
	unsigned char mac[HASH_SHA256_LEN];

	ASSERT(size > 2 * sizeof(mac));
	hash_hmac_sha256(slice_of(t->o.master_key), slice_of(role), mac);
	hash_hex(mac, sizeof(mac), out);
}

static void on_found(void *arg, const struct pgresult *r, const struct err *e)
{
	struct tenant *n = arg;

	OBJ_CHECK(n, TENANT_MAGIC);
	if (e != NULL) {
		end_step(n, e);
		return;
	}
	n->fresh.deleted = pgresult_bool(r, 0, 0, 2);
	/* its rows may be on their way out, and its role must not come back */
	n->fresh.absent = !pgresult_bool(r, 0, 0, 0) || n->fresh.deleted;
	if (n->fresh.absent || (pgresult_bool(r, 0, 0, 1) && !n->renew_password)) {
		read_places(n);
		return;
	}
	derive_password(n->owner, n->id, n->password, sizeof(n->password));
	n->params[0] = n->id;
	n->params[1] = n->password;
	n->params[2] = n->renew_password ? "true" : "false";
	pgpool_exec(n->owner->o.warehouse, NULL, &SQL_queryd_provision_tenant, n->params,
		    STEP_LIMIT_MS, on_provisioned, n);
}

static void start_load(struct tenant *n)
{
	if (n->loading)
		return;
	n->loading = true;
	n->reload = false;
	n->steps = 3;
	n->failed = ERR_INIT;
	n->params[0] = n->extent_params[0] = n->id;
	pgpool_exec(n->owner->o.warehouse, NULL, &SQL_queryd_find_tenant, n->params, STEP_LIMIT_MS,
		    on_found, n);
	/* while the tenant logs in; days that are marked dirty are counted, as by a query */
	pgpool_exec(n->owner->o.warehouse, NULL, &SQL_queryd_read_extents, n->extent_params,
		    n->owner->o.query_timeout_ms, on_extents, n);
	read_quality(n);
}

/* ---- what others see */

struct tenants *tenants_new(struct event_base *base, const struct tenants_options *o)
{
	struct tenants *t = xcalloc(1, sizeof(*t));
	/* a snapshot for all statements of a query, plans for the values at hand; the server gives
	 * a statement up a little before we do. A tenant may change its role's settings: whatever
	 * decides what its answers mean, or how long its connection lives, is set here. By index
	 * always: a scan of the table would read, and charge for, the rows of all tenants. What a
	 * process that was killed had asked ends within a second. */
	struct strbuf settings = STRBUF_INIT;

	strbuf_appendf(&settings,
		       "-c default_transaction_isolation=repeatable\\ read "
		       "-c default_transaction_read_only=on -c plan_cache_mode=force_custom_plan "
		       "-c jit=off -c enable_seqscan=off -c search_path=pg_catalog -c timezone=UTC "
		       "-c datestyle=ISO "
		       "-c transform_null_equals=off -c array_nulls=on -c lock_timeout=0 "
		       "-c idle_session_timeout=0 -c client_connection_check_interval=1s "
		       "-c statement_timeout=%lld",
		       (long long)o->query_timeout_ms);
	t->o = *o;
	t->o.master_key = t->master_key = xstrdup(o->master_key);
	t->o.scope_key = t->scope_key = xstrdup(o->scope_key);
	TAILQ_INIT(&t->used);
	t->pool = pgpool_new(base, &(struct pgpool_options){.name = "tenants",
							    .url = o->url,
							    .application = "queryd",
							    .settings = strbuf_cstr(&settings),
							    .size = o->connections,
							    .role_max = o->share,
							    .waiting_max = WAITING_MAX,
							    .wait_ms = o->wait_ms,
							    .connect_timeout_ms = 5000,
							    .password = derive_password,
							    .arg = t});
	strbuf_clear(&settings);
	return t;
}

void tenants_close(struct tenants *t)
{
	if (t == NULL)
		return;
	pgpool_free(t->pool);
	t->pool = NULL;
}

size_t tenants_waiting(const struct tenants *t)
{
	return t->pool != NULL ? pgpool_waiting(t->pool) : 0;
}

void tenants_free(struct tenants *t)
{
	if (t == NULL)
		return;
	while (!TAILQ_EMPTY(&t->used))
		remove_tenant(t, TAILQ_FIRST(&t->used));
	explicit_bzero(t->master_key, strlen(t->master_key));
	explicit_bzero(t->scope_key, strlen(t->scope_key));
	free(t->master_key);
	free(t->scope_key);
	free(t);
}

struct tenant *tenants_find(struct tenants *t, const char *tenant_id)
{
	struct tenant *n = lookup(t, tenant_id);
	int64_t age_ms;

	if (n == NULL || !n->known)
		return NULL;
	age_ms = clock_mono_ms() - n->known_mono_ms;
	if (age_ms > (n->facts.absent ? ABSENT_MS : KNOWN_MS))
		return NULL;
	if (age_ms > RENEW_MS)
		start_load(n);
	TAILQ_REMOVE(&t->used, n, by_use);
	TAILQ_INSERT_TAIL(&t->used, n, by_use);
	return n;
}

void tenants_load(struct tenants *t, const char *tenant_id, tenants_fn fn, void *arg)
{
	struct tenant *n = obtain(t, tenant_id);
	struct waiter *k = xcalloc(1, sizeof(*k));

	k->fn = fn;
	k->arg = arg;
	TAILQ_INSERT_TAIL(&n->waiters, k, link);
	start_load(n);
}

void tenants_reload(struct tenants *t, const char *tenant_id, tenants_fn fn, void *arg)
{
	struct tenant *n = obtain(t, tenant_id);

	n->reload = n->loading;
	tenants_load(t, tenant_id, fn, arg);
}

bool tenant_deleted(const struct tenant *n)
{
	return n->facts.deleted;
}

int32_t tenant_today(const struct tenant *n, const char *property_id)
{
	int64_t now_s = clock_wall_us() / SECOND_US;

	return (int32_t)((now_s + facts_utc_offset_s(&n->facts, property_id)) / DAY_S);
}

struct metric_set *tenant_metrics(const struct tenant *n)
{
	return n->facts.metrics;
}

const struct residency *tenant_residency(const struct tenant *n)
{
	return n->facts.residency;
}

const struct extent *tenant_extent(const struct tenant *n)
{
	return n->facts.extent;
}

int tenant_week_start(const struct tenant *n)
{
	return n->facts.week_start != 0 ? n->facts.week_start : MONDAY;
}

enum quality tenant_quality(const struct tenant *n, const char *const *tables)
{
	return facts_quality(&n->facts, tables);
}

int64_t tenant_admit(struct tenant *n)
{
	int64_t second = clock_mono_ms() / 1000;

	if (second != n->second) {
		n->second = second;
		n->admitted = 0;
	}
	return n->owner->o.rate - ++n->admitted;
}

struct query *tenant_query(struct tenant *n, const char *scope, const struct pgstmt *stmts,
			   size_t count, pgconn_fn fn, void *arg)
{
	return query_as(n, n->facts.absent, scope, stmts, count, fn, arg);
}
