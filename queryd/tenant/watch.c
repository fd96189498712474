/* Polling for freshness and versions; see watch.h. */
#include "queryd/tenant/watch.h"

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/net/dataversion.h"
#include "sql_gen.h"

#define WATCH_MAGIC     OBJ_MAGIC('w')
#define POLL_EVERY_MS   1000
#define WAKE_DELAY_MS   100 /* hints of a busy second are one poll */
#define POLL_TIMEOUT_MS 5000
#define CURRENT_MS      5000
/* How far a poll looks back: a commit becomes visible some time after its refreshed_at. After an
 * absence, as far as entries can live: older ones are gone from Redis anyway. */
#define LOOK_BACK_S       15
#define LOOK_BACK_FIRST_S 7200

struct waiting {
	char *tenant_id;
	int64_t oldest_us;
};

struct watch {
	unsigned magic;
	struct watch_options o;
	struct daemon_timer *timer;
	struct waiting *waiting; /* by tenant_id */
	size_t nwaiting;
	int64_t now_us;         /* of the database, at the last poll */
	int64_t polled_mono_ms; /* 0: never */
	bool stopped, busy;     /* busy: a poll is under way */
	bool woken;             /* the next poll comes soon */
	char look_back_s[24];   /* of the statements under way */
	bool repair_all;        /* Redis was away: its versions may be old */
	bool repairing;         /* the statement under way looks back that far */
	/* versions of dashboards: Redis has them; their poll is under way, and Redis up since */
	bool dashboards_known, dashboards_busy, dashboards_valid;
	int64_t dashboards_mono_ms; /* of their last poll */
	bool failing;               /* said so in the log */
};

static void forget(struct watch *w)
{
	for (size_t i = 0; i < w->nwaiting; i++)
		free(w->waiting[i].tenant_id);
	free(w->waiting);
	w->waiting = NULL;
	w->nwaiting = 0;
}

static void end_poll(struct watch *w, const struct err *e)
{
	w->busy = false;
	if (e != NULL && !w->failing && !w->stopped)
		log_warn("freshness unknown", LOG_S("error", e->msg));
	w->failing = e != NULL;
	if (!w->stopped)
		daemon_timer_arm(w->timer, w->woken ? WAKE_DELAY_MS : POLL_EVERY_MS);
}

/* ---- dashboards: a poll of their own, so that nothing else waits for the control database */

static void on_dashboards(void *arg, const struct pgresult *r, const struct err *e)
{
	struct watch *w = arg;

	OBJ_CHECK(w, WATCH_MAGIC);
	w->dashboards_busy = false;
	if (e != NULL) {
		if (!w->stopped)
			log_debug("versions of dashboards unknown", LOG_S("error", e->msg));
		return;
	}
	for (size_t i = 0; i < pgresult_rows(r, 0); i++)
		dataversion_publish(w->o.redis, pgresult_text(r, 0, i, 0), DATAVERSION_DASHBOARDS,
				    pgresult_i64(r, 0, i, 1));
	/* lookups follow on the same connection, so they see these */
	w->dashboards_known = w->dashboards_valid;
	w->dashboards_mono_ms = clock_mono_ms();
}

static void poll_dashboards(struct watch *w)
{
	char look_back_s[24];
	const char *params[] = {look_back_s};

	if (w->dashboards_busy || w->stopped)
		return;
	(void)snprintf(look_back_s, sizeof(look_back_s), "%d",
		       watch_dashboards(w) ? LOOK_BACK_S : LOOK_BACK_FIRST_S);
	w->dashboards_busy = true;
	w->dashboards_valid = true;
	pgpool_exec(w->o.control, NULL, &SQL_queryd_list_dashboard_versions, params,
		    POLL_TIMEOUT_MS, on_dashboards, w);
}

/* ---- tables */

static void on_refreshed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct watch *w = arg;

	OBJ_CHECK(w, WATCH_MAGIC);
	for (size_t i = 0; e == NULL && i < pgresult_rows(r, 0); i++)
		dataversion_publish(w->o.redis, pgresult_text(r, 0, i, 0),
				    pgresult_text(r, 0, i, 1), pgresult_i64(r, 0, i, 2));
	/* lookups follow on the same connection, so they see these */
	if (e == NULL && w->repairing && redisq_up(w->o.redis)) {
		w->repair_all = false;
		cache_trust(w->o.cache, true);
	}
	end_poll(w, e);
}

static void list_refreshed(struct watch *w)
{
	const char *params[] = {w->look_back_s};

	if (w->o.redis == NULL || !redisq_up(w->o.redis)) {
		end_poll(w, NULL);
		return;
	}
	poll_dashboards(w);
	pgpool_exec(w->o.warehouse, NULL, &SQL_queryd_list_refreshed, params, POLL_TIMEOUT_MS,
		    on_refreshed, w);
}

static void on_reloaded(void *arg, const struct err *e)
{
	(void)arg;
	(void)e; /* it will be tried again: the tenant is on the list for a while */
}

static void on_deleted(void *arg, const struct pgresult *r, const struct err *e)
{
	struct watch *w = arg;

	OBJ_CHECK(w, WATCH_MAGIC);
	if (e != NULL) {
		end_poll(w, e);
		return;
	}
	for (size_t i = 0; !w->stopped && i < pgresult_rows(r, 0); i++) {
		const char *tenant_id = pgresult_text(r, 0, i, 0);
		const struct tenant *n = tenants_find(w->o.tenants, tenant_id);

		cache_forget(w->o.cache, tenant_id);
		if (n != NULL && !tenant_deleted(n))
			tenants_reload(w->o.tenants, tenant_id, on_reloaded, w);
	}
	list_refreshed(w);
}

static void on_pending(void *arg, const struct pgresult *r, const struct err *e)
{
	struct watch *w = arg;
	const char *params[] = {w->look_back_s};
	size_t n;

	OBJ_CHECK(w, WATCH_MAGIC);
	if (e != NULL) {
		end_poll(w, e);
		return;
	}
	forget(w);
	n = pgresult_rows(r, 0) - 1; /* the last one is the time */
	w->waiting = xcalloc(n, sizeof(*w->waiting));
	for (; w->nwaiting < n; w->nwaiting++)
		w->waiting[w->nwaiting] = (struct waiting){
			xstrdup(pgresult_text(r, 0, w->nwaiting, 0)),
			pgresult_i64(r, 0, w->nwaiting, 1)};
	w->now_us = pgresult_i64(r, 0, n, 1);
	w->polled_mono_ms = clock_mono_ms();
	w->repairing = w->repair_all;
	(void)snprintf(w->look_back_s, sizeof(w->look_back_s), "%d",
		       w->repairing ? LOOK_BACK_FIRST_S : LOOK_BACK_S);
	pgpool_exec(w->o.warehouse, NULL, &SQL_queryd_list_deleted, params, POLL_TIMEOUT_MS,
		    on_deleted, w);
}

static void poll_now(void *arg)
{
	struct watch *w = arg;

	OBJ_CHECK(w, WATCH_MAGIC);
	if (w->busy || w->stopped)
		return;
	w->busy = true;
	w->woken = false;
	pgpool_exec(w->o.warehouse, NULL, &SQL_queryd_list_pending, NULL, POLL_TIMEOUT_MS,
		    on_pending, w);
}

struct watch *watch_new(const struct watch_options *o)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	*w = (struct watch){.magic = WATCH_MAGIC, .o = *o, .repair_all = true};
	w->timer = daemon_timer_new(o->daemon, 0, 0, poll_now, w);
	return w;
}

void watch_stop(struct watch *w)
{
	if (w == NULL)
		return;
	w->stopped = true;
	daemon_timer_free(w->timer);
	w->timer = NULL;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	forget(w);
	w->magic = 0;
	free(w);
}

void watch_wake(struct watch *w)
{
	OBJ_CHECK(w, WATCH_MAGIC);
	if (w->woken || w->stopped)
		return;
	w->woken = true;
	if (!w->busy) /* else when it ends: what it read may be older than the hint */
		daemon_timer_arm(w->timer, WAKE_DELAY_MS);
}

void watch_redis(struct watch *w, bool up)
{
	OBJ_CHECK(w, WATCH_MAGIC);
	cache_trust(w->o.cache, false);
	w->repair_all = true;
	w->repairing = false;
	w->dashboards_known = w->dashboards_valid = false;
	if (up)
		watch_wake(w);
}

bool watch_current(const struct watch *w)
{
	return w->polled_mono_ms != 0 && clock_mono_ms() - w->polled_mono_ms < CURRENT_MS;
}

bool watch_dashboards(const struct watch *w)
{
	return w->dashboards_known && clock_mono_ms() - w->dashboards_mono_ms < CURRENT_MS;
}

static int compare_waiting(const void *key, const void *element)
{
	return strcmp(key, ((const struct waiting *)element)->tenant_id);
}

void watch_pending(const struct watch *w, const char *tenant_id, int64_t *ret_now_us,
		   int64_t *ret_oldest_us)
{
	const struct waiting *found = bsearch(tenant_id, w->waiting, w->nwaiting,
					      sizeof(*w->waiting), compare_waiting);

	*ret_now_us = w->now_us;
	*ret_oldest_us = found != NULL ? found->oldest_us : 0;
}
