/*
 * Rounds over the roles; see rolekeeper.h.
 *
 *   a round: (a missing login ─▶ made)* ─▶ others repaired ─▶ sessions of closed logins ended
 *   a look:  reporting sessions that take too long ended
 */
#include "queryd/tenant/rolekeeper.h"

#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "queryd/config.h"
#include "sql_gen.h"

#define ROLEKEEPER_MAGIC OBJ_MAGIC('r')
#define LIMIT_MS         10000
#define LOOK_MAX_MS      5000
#define LOOK_MIN_MS      250
#define LOOKS            4  /* within report_timeout, unless that is long */
#define TOLD_MAX         20 /* lines of one round; the rest is counted */
#define ROLE_MAX         64
#define SECRET_LEN       (2 * (size_t)HASH_SHA256_LEN)

struct rolekeeper {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *warehouse;
	struct daemon_timer *round, *look;
	char role[ROLE_MAX], tenant_id[ROLE_MAX], password[SECRET_LEN + 1]; /* being made */
	char longest[24];
	const char *params[3];
	size_t told;
	int64_t left; /* differences that stay, of this round */
	bool stopped;
	struct metric *made, *repaired, *remaining, *ended;
};

static const struct queryd_config *conf_of(const struct rolekeeper *k)
{
	return daemon_conf(k->daemon);
}

/* ---- what the list says */

static void end_round(struct rolekeeper *k, const struct err *e)
{
	if (k->stopped)
		return;
	if (e != NULL)
		log_warn("roles not looked at", LOG_S("error", e->msg));
	else
		metric_set(k->remaining, (double)k->left);
	daemon_timer_arm(k->round, conf_of(k)->access_interval);
}

static void tell(struct rolekeeper *k, const char *role, const char *problem, const char *outcome)
{
	if (k->told++ < TOLD_MAX)
		log_warn("a role was not as listed", LOG_S("role", role), LOG_S("problem", problem),
			 LOG_S("outcome", outcome));
}

static void on_closed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct rolekeeper *k = arg;

	OBJ_CHECK(k, ROLEKEEPER_MAGIC);
	for (size_t i = 0; e == NULL && i < pgresult_rows(r, 0); i++)
		log_warn("sessions of a closed login ended",
			 LOG_S("role", pgresult_text(r, 0, i, 0)),
			 LOG_I("sessions", pgresult_i64(r, 0, i, 1)));
	end_round(k, e);
}

static void on_kept(void *arg, const struct pgresult *r, const struct err *e)
{
	struct rolekeeper *k = arg;

	OBJ_CHECK(k, ROLEKEEPER_MAGIC);
	if (e != NULL || k->stopped) {
		end_round(k, e);
		return;
	}
	for (size_t i = 0; i < pgresult_rows(r, 0); i++) {
		bool repaired = pgresult_bool(r, 0, i, 2);

		tell(k, pgresult_text(r, 0, i, 0), pgresult_text(r, 0, i, 1),
		     repaired ? "repaired" : "left");
		metric_add(k->repaired, repaired);
		k->left += !repaired;
	}
	pgpool_exec(k->warehouse, NULL, &SQL_queryd_end_closed_sessions, NULL, LIMIT_MS, on_closed,
		    k);
}

/* ---- logins that are gone */

static void find_missing(struct rolekeeper *k);

/* What cannot be made, as of a tenant that was deleted meanwhile, is left to the list to say. */
static void on_made(void *arg, const struct pgresult *r, const struct err *e)
{
	struct rolekeeper *k = arg;

	OBJ_CHECK(k, ROLEKEEPER_MAGIC);
	(void)r;
	if (e == NULL) {
		tell(k, k->role, "the role did not exist", "made");
		metric_add(k->made, 1);
	}
	find_missing(k);
}

/* Its password is derived as by tenants.c and by `queryd looker`. */
static void make(struct rolekeeper *k, bool looker, bool enabled)
{
	unsigned char mac[HASH_SHA256_LEN];

	hash_hmac_sha256(slice_of(conf_of(k)->master_key_file), slice_of(k->role), mac);
	hash_hex(mac, sizeof(mac), k->password);
	k->params[0] = k->tenant_id;
	k->params[1] = k->password;
	k->params[2] = looker && enabled ? "true" : "false"; /* of the other: whether to renew */
	pgpool_exec(k->warehouse, NULL,
		    looker ? &SQL_queryd_provision_looker : &SQL_queryd_provision_tenant, k->params,
		    LIMIT_MS, on_made, k);
}

static void on_missing(void *arg, const struct pgresult *r, const struct err *e)
{
	struct rolekeeper *k = arg;

	OBJ_CHECK(k, ROLEKEEPER_MAGIC);
	if (e != NULL || k->stopped) {
		end_round(k, e);
	} else if (pgresult_rows(r, 0) == 0) {
		pgpool_exec(k->warehouse, NULL, &SQL_queryd_keep_access, NULL, LIMIT_MS, on_kept,
			    k);
	} else {
		(void)snprintf(k->role, sizeof(k->role), "%s", pgresult_text(r, 0, 0, 0));
		(void)snprintf(k->tenant_id, sizeof(k->tenant_id), "%s", pgresult_text(r, 0, 0, 1));
		make(k, pgresult_bool(r, 0, 0, 2), pgresult_bool(r, 0, 0, 3));
	}
}

/* The next one after k->role. */
static void find_missing(struct rolekeeper *k)
{
	if (k->stopped)
		return;
	k->params[0] = k->role;
	pgpool_exec(k->warehouse, NULL, &SQL_queryd_find_missing_login, k->params, LIMIT_MS,
		    on_missing, k);
}

static void start_round(void *arg)
{
	struct rolekeeper *k = arg;

	OBJ_CHECK(k, ROLEKEEPER_MAGIC);
	k->role[0] = '\0';
	k->told = 0;
	k->left = 0;
	find_missing(k);
}

/* ---- reporting logins */

static int64_t look_every_ms(const struct rolekeeper *k)
{
	int64_t ms = conf_of(k)->report_timeout / LOOKS;

	return ms > LOOK_MAX_MS ? LOOK_MAX_MS : (ms < LOOK_MIN_MS ? LOOK_MIN_MS : ms);
}

static void on_ended(void *arg, const struct pgresult *r, const struct err *e)
{
	struct rolekeeper *k = arg;

	OBJ_CHECK(k, ROLEKEEPER_MAGIC);
	if (k->stopped)
		return;
	if (e != NULL)
		log_warn("reporting sessions not looked at", LOG_S("error", e->msg));
	for (size_t i = 0; e == NULL && i < pgresult_rows(r, 0); i++) {
		int64_t sessions = pgresult_i64(r, 0, i, 1);

		log_warn("reporting sessions took too long and were ended",
			 LOG_S("role", pgresult_text(r, 0, i, 0)), LOG_I("sessions", sessions));
		metric_add(k->ended, sessions);
	}
	daemon_timer_arm(k->look, look_every_ms(k));
}

static void look(void *arg)
{
	struct rolekeeper *k = arg;
	const char *params[] = {k->longest};

	OBJ_CHECK(k, ROLEKEEPER_MAGIC);
	(void)snprintf(k->longest, sizeof(k->longest), "%lld",
		       (long long)conf_of(k)->report_timeout);
	pgpool_exec(k->warehouse, NULL, &SQL_queryd_end_long_reports, params, LIMIT_MS, on_ended,
		    k);
}

/* ---- life */

struct rolekeeper *rolekeeper_new(struct daemon *d, struct pgpool *warehouse)
{
	struct rolekeeper *k = xcalloc(1, sizeof(*k));
	struct metric_family *repairs = metrics_counter_family(
		"access_repairs_total", "Roles that were not as listed, by what was done",
		"outcome");

	*k = (struct rolekeeper){.magic = ROLEKEEPER_MAGIC, .daemon = d, .warehouse = warehouse};
	k->made = metrics_with(repairs, (const char *const[]){"made"});
	k->repaired = metrics_with(repairs, (const char *const[]){"repaired"});
	k->remaining = metrics_gauge("access_differences",
				     "Roles that are not as listed and could not be repaired");
	k->ended = metrics_counter(
		"report_sessions_ended_total",
		"Sessions of reporting logins that were ended for taking too long");
	k->round = daemon_timer_new(d, conf_of(k)->access_interval, 0, start_round, k);
	k->look = daemon_timer_new(d, look_every_ms(k), 0, look, k);
	return k;
}

void rolekeeper_stop(struct rolekeeper *k)
{
	if (k == NULL)
		return;
	k->stopped = true;
	daemon_timer_free(k->round);
	daemon_timer_free(k->look);
	k->round = k->look = NULL;
}

void rolekeeper_free(struct rolekeeper *k)
{
	if (k == NULL)
		return;
	k->magic = 0;
	free(k);
}
