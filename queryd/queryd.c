/*
 * Wires the parts of queryd together; see queryd.h.
 *
 *	httpd ─▶ access (jwks, tenants) ─▶ compute ─▶ cache (Redis) ─▶ run on the tenant's
 *connection watch: freshness and versions of all tenants; registry: metrics and projections
 */
#include "queryd/queryd.h"

#include <errno.h>

#include "common/auth/jwks.h"
#include "common/auth/oidc.h"
#include "common/daemon/log.h"
#include "common/http/httpd.h"
#include "common/net/zsock.h"
#include "queryd/access.h"
#include "queryd/adhoc/adhoc.h"
#include "queryd/compute/compute.h"
#include "queryd/compute/recall.h"
#include "queryd/cost/budget.h"
#include "queryd/cost/cost.h"
#include "queryd/document/courier.h"
#include "queryd/document/widget_list.h"
#include "queryd/routes.h"
#include "queryd/sync/generator.h"
#include "queryd/sync/scheduler_door.h"
#include "queryd/tenant/rolekeeper.h"
#include "sql_gen.h"

#define SERVER_SETTINGS                                                                            \
	"-c search_path=pg_catalog -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s " \
	"-c statement_timeout=10s -c client_min_messages=warning -c jit=off"
#define FORMS_PART        4 /* of cache_memory is for what widgets show */
#define REDIS_PENDING_MAX 20000
#define REDIS_TIMEOUT_MS  500
#define REGISTRY          "registry"
#define TOKENS_MAX        10000
#define REDIS_AWAY        "redis is away: answers are cached in this process only"

static void on_warehouse_state(void *arg, bool up, const char *reason)
{
	daemon_condition(arg, "warehouse connection", up, reason);
}

static void on_control_state(void *arg, bool up, const char *reason)
{
	daemon_condition(arg, "control connection", up, reason);
}

static void on_keys_state(void *arg, bool ok)
{
	struct queryd *st = arg;

	if (ok)
		log_info("token keys read");
	else
		log_warn("token keys not read", LOG_S("reason", jwks_reason(st->jwks)));
	daemon_condition(st->daemon, "token keys", jwks_ready(st->jwks), "no key could be read");
}

static void on_redis_state(void *arg, bool up)
{
	struct queryd *st = arg;

	if (up)
		log_info("redis is back");
	else
		log_warn(REDIS_AWAY, LOG_S("reason", redisq_reason(st->redis)));
	if (st->watch != NULL)
		watch_redis(st->watch, up);
}

static void on_bus(void *arg, const struct slice *parts, size_t n)
{
	struct queryd *st = arg;

	(void)parts; /* what was refreshed is in the tables */
	(void)n;
	if (st->watch != NULL)
		watch_wake(st->watch);
}

/* ---- ready, step by step */

static void on_registry(void *arg)
{
	struct queryd *st = arg;

	st->ready = true;
	daemon_condition(st->daemon, REGISTRY, true, "");
}

static void schema_ok(struct queryd *st)
{
	if (!st->control_ok || !st->warehouse_ok || st->watch != NULL)
		return;
	/* the registry first: it is what readiness waits for */
	st->registry = registry_new(st->daemon, st->control, on_registry, st);
	st->watch = watch_new(&(struct watch_options){.daemon = st->daemon,
						      .warehouse = st->warehouse,
						      .control = st->control,
						      .redis = st->redis,
						      .cache = st->cache,
						      .tenants = st->tenants});
	st->courier = courier_new(st->daemon, st->control, st->warehouse);
	st->budget = budget_new(st);
	st->cost = cost_new(st);
	st->generator = generator_new(st);
	st->rolekeeper = rolekeeper_new(st->daemon, st->warehouse);
}

static void on_control_schema(void *arg)
{
	struct queryd *st = arg;

	st->control_ok = true;
	schema_ok(st);
}

static void on_warehouse_schema(void *arg)
{
	struct queryd *st = arg;

	st->warehouse_ok = true;
	schema_ok(st);
}

/* ---- opening */

static struct pgpool *open_pool(struct daemon *d, const char *name, const char *url,
				void (*on_state)(void *arg, bool up, const char *reason))
{
	return pgpool_new(daemon_base(d), &(struct pgpool_options){.name = name,
								   .url = url,
								   .application = "queryd",
								   .settings = SERVER_SETTINGS,
								   .size = 4,
								   .min_idle = 1,
								   .waiting_max = 1024,
								   .wait_ms = 2000,
								   .connect_timeout_ms = 5000,
								   .on_state = on_state,
								   .arg = d});
}

static int open_keys(struct queryd *st, const struct queryd_config *conf, struct err *e)
{
	const char *issuers[] = {conf->token_issuer, NULL};

	return jwks_new(
		daemon_base(st->daemon),
		&(struct jwks_options){
			.source = conf->token_jwks,
			.issuers = conf->token_issuer[0] != '\0' ? issuers : NULL,
			.audience = conf->token_audience[0] != '\0' ? conf->token_audience : NULL,
			.cache_max = TOKENS_MAX,
			.principal = access_principal,
			.drop = access_drop,
			.on_state = on_keys_state,
			.arg = st},
		&st->jwks, e);
}

static int open_hints(struct queryd *st, const struct queryd_config *conf, struct err *e)
{
	struct event_base *base = daemon_base(st->daemon);
	int r = 0;

	if (conf->redis_url[0] != '\0')
		r = redisq_new(base, conf->redis_url, REDIS_PENDING_MAX, REDIS_TIMEOUT_MS,
			       on_redis_state, st, &st->redis, e);
	if (r == 0 && conf->bus_connect[0] != '\0')
		r = zsock_new(base,
			      &(struct zsock_options){.type = ZSOCK_SUB,
						      .endpoint = conf->bus_connect,
						      .subscribe = "refreshed",
						      .hwm = 1000,
						      .message_max = 65536,
						      .on_message = on_bus,
						      .arg = st},
			      &st->bus, e);
	return r;
}

int queryd_open(struct daemon *d, struct queryd *st, struct err *e)
{
	const struct queryd_config *conf = daemon_conf(d);
	const char *warehouse = conf->warehouse_url[0] != '\0' ? conf->warehouse_url
							       : conf->database_url;
	size_t memory;
	int r;

	st->daemon = d;
	if (conf->token_jwks[0] == '\0' || conf->master_key_file[0] == '\0' ||
	    conf->scope_key_file[0] == '\0')
		return err_set(e, -EINVAL,
			       "token_jwks, master_key_file and scope_key_file must be set");
	st->warehouse = open_pool(d, "warehouse", warehouse, on_warehouse_state);
	st->control = open_pool(d, "control", conf->database_url, on_control_state);
	r = open_keys(st, conf, e);
	if (r == 0)
		r = scheduler_door_open(st, &st->scheduler, e);
	if (r == 0)
		r = open_hints(st, conf, e);
	if (r < 0)
		return r;
	st->tenants = tenants_new(
		daemon_base(d),
		&(struct tenants_options){
			.url = warehouse,
			.master_key = conf->master_key_file,
			.scope_key = conf->scope_key_file,
			.warehouse = st->warehouse,
			.control = st->control,
			.connections = (int)daemon_part(d, conf->tenant_connections, 2),
			.share = (int)daemon_part(d, conf->tenant_share, 2),
			.wait_ms = conf->tenant_wait,
			.query_timeout_ms = conf->query_timeout,
			.rate = daemon_part(d, conf->tenant_rate, 1)});
	st->versions = versions_new(d, st->redis, st->warehouse);
	memory = (size_t)daemon_part(d, conf->cache_memory, 0);
	st->forms = shelf_new(memory / FORMS_PART, conf->cache_ttl);
	st->shelf = shelf_new(memory - memory / FORMS_PART, conf->cache_ttl);
	st->cache = cache_new(st->redis, st->versions, st->shelf, st->forms, conf->cache_ttl);
	st->recall = recall_new();
	st->widget_lists = widget_lists_new();
	st->compute = compute_new(st);
	st->adhoc = adhoc_new(st);
	daemon_condition(d, REGISTRY, false, "metrics are not loaded yet");
	daemon_condition(d, "token keys", jwks_ready(st->jwks), "no key could be read");
	st->control_schema = schema_check_new(d, st->control, "control schema",
					      &SQL_schema_version_control, SQL_CONTROL_VERSION,
					      on_control_schema, st);
	st->warehouse_schema = schema_check_new(d, st->warehouse, "warehouse schema",
						&SQL_schema_version_warehouse,
						SQL_WAREHOUSE_VERSION, on_warehouse_schema, st);
	return 0;
}

void queryd_settle(struct queryd *st, void (*fn)(void *arg), void *arg)
{
	if (st->cost != NULL)
		cost_settle(st->cost, fn, arg);
	else
		fn(arg);
}

void queryd_close(struct daemon *d, void *state)
{
	struct queryd *st = state;

	(void)d;
	httpd_free(st->http);
	zsock_free(st->bus);
	generator_stop(st->generator);
	rolekeeper_stop(st->rolekeeper);
	watch_stop(st->watch);
	registry_stop(st->registry);
	courier_stop(st->courier);
	budget_stop(st->budget);
	cost_stop(st->cost);
	schema_check_free(st->control_schema);
	schema_check_free(st->warehouse_schema);
	/* what still runs ends with -ECANCELED: lookups first, since a query may follow them */
	redisq_free(st->redis);
	st->redis = NULL;
	cache_close(st->cache);
	versions_close(st->versions);
	tenants_close(st->tenants);
	pgpool_free(st->warehouse);
	pgpool_free(st->control);
	generator_free(st->generator);
	rolekeeper_free(st->rolekeeper);
	compute_free(st->compute);
	adhoc_free(st->adhoc);
	tenants_free(st->tenants);
	watch_free(st->watch);
	registry_free(st->registry);
	courier_free(st->courier);
	cost_free(st->cost);
	budget_free(st->budget);
	cache_free(st->cache);
	recall_free(st->recall);
	widget_lists_free(st->widget_lists);
	shelf_free(st->shelf);
	shelf_free(st->forms);
	versions_free(st->versions);
	jwks_free(st->jwks);
	oidc_free(st->scheduler);
}
