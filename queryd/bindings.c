/* Who may log in; see bindings.h. */
#include "queryd/bindings.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/hash.h"
#include "common/daemon/log.h"
#include "queryd/queryd.h"
#include "queryd/tenant/query.h"
#include "sql_gen.h"

#define LIMIT_MS   10000
#define WAIT_MS    10000
#define TENANT_LEN 30 /* tnt_<ULID> */
#define ROLE_MAX   (TENANT_LEN + 3)

static struct {
	struct queryd *queryd;
	char tenant[TENANT_LEN + 1], role[ROLE_MAX], password[2 * HASH_SHA256_LEN + 1];
	bool on;       /* looker: wanted; access: repair */
	int64_t ended; /* sessions of a login that is off */
	size_t left;   /* access: what differs still */
	struct pgstmt record[1];
	const char *record_params[2], *role_params[3];
} shot;

static struct pgpool *open_pool(struct daemon *d, const char *name, const char *url)
{
	return pgpool_new(daemon_base(d),
			  &(struct pgpool_options){.name = name,
						   .url = url,
						   .application = "queryd command",
						   .settings = "-c search_path=pg_catalog",
						   .size = 1,
						   .waiting_max = 4,
						   .wait_ms = WAIT_MS,
						   .connect_timeout_ms = 5000});
}

static void open_shot(struct daemon *d, struct queryd *st, bool on)
{
	const struct queryd_config *conf = daemon_conf(d);

	st->daemon = d;
	shot.queryd = st;
	shot.on = on;
	st->control = open_pool(d, "control", conf->database_url);
	st->warehouse = open_pool(d, "warehouse",
				  conf->warehouse_url[0] != '\0' ? conf->warehouse_url
								 : conf->database_url);
}

/* What Postgres says of a tenant id that is none, or of a tenant that was deleted, is for the
 * operator: he wrote it. */
static void give_up(const struct err *e)
{
	bool data = strcmp(e->sqlstate, "22023") == 0 || strcmp(e->sqlstate, "TD001") == 0;

	log_error("not done", LOG_S("error", e->msg));
	daemon_quit(shot.queryd->daemon, data ? DAEMON_DATA : DAEMON_UNAVAILABLE);
}

/* ---- looker: first the role, then, when it is off, its sessions, then what the control database
 * says of it */

static void on_recorded(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)r;
	if (e != NULL) {
		give_up(e);
		return;
	}
	printf("role      %s\n", shot.role);
	if (shot.on)
		printf("password  %s\n", shot.password);
	printf("login     %s\n", shot.on ? "on" : "off");
	if (!shot.on)
		printf("ended     %lld\n", (long long)shot.ended);
	(void)fflush(stdout);
	daemon_quit(shot.queryd->daemon, DAEMON_OK);
}

static void record(void)
{
	shot.record[0] = (struct pgstmt){&SQL_queryd_enable_looker, shot.record_params};
	(void)query_start(&(struct query_target){.pool = shot.queryd->control,
						 .tenant_id = shot.tenant,
						 .timeout_ms = LIMIT_MS},
			  shot.record, 1, on_recorded, NULL);
}

static void on_ended(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	if (e != NULL) {
		give_up(e);
		return;
	}
	shot.ended = pgresult_i64(r, 0, 0, 0);
	record();
}

static void on_switched(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)r;
	if (e != NULL)
		give_up(e);
	else if (shot.on)
		record();
	else
		pgpool_exec(shot.queryd->warehouse, NULL, &SQL_queryd_end_looker_sessions,
			    shot.role_params, LIMIT_MS, on_ended, NULL);
}

/* As queryd derives the password of every tenant's role. */
static void derive_password(const char *master_key)
{
	unsigned char mac[HASH_SHA256_LEN];

	hash_hmac_sha256(slice_of(master_key), slice_of(shot.role), mac);
	hash_hex(mac, sizeof(mac), shot.password);
}

int bindings_looker(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	const struct queryd_config *conf = daemon_conf(d);

	if (argc != 2 || (strcmp(argv[0], "on") != 0 && strcmp(argv[0], "off") != 0) ||
	    strlen(argv[1]) != TENANT_LEN)
		return err_set(e, -EINVAL, "looker: say `looker on TENANT` or `looker off TENANT`");
	if (conf->master_key_file[0] == '\0')
		return err_set(e, -EINVAL, "looker: master_key_file must be set");
	(void)snprintf(shot.tenant, sizeof(shot.tenant), "%s", argv[1]);
	(void)snprintf(shot.role, sizeof(shot.role), "%s_l", shot.tenant);
	derive_password(conf->master_key_file);
	open_shot(d, state, strcmp(argv[0], "on") == 0);
	shot.record_params[0] = shot.role_params[0] = shot.tenant;
	shot.role_params[1] = shot.password;
	shot.record_params[1] = shot.role_params[2] = shot.on ? "true" : "false";
	pgpool_exec(shot.queryd->warehouse, NULL, &SQL_queryd_provision_looker, shot.role_params,
		    LIMIT_MS, on_switched, NULL);
	return 0;
}

/* ---- access: the roles, then the sessions of those that may not log in any more */

static void leave(void)
{
	(void)fflush(stdout);
	daemon_quit(shot.queryd->daemon, shot.left == 0 ? DAEMON_OK : DAEMON_DATA);
}

static void on_closed(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	if (e != NULL) {
		give_up(e);
		return;
	}
	for (size_t i = 0; i < pgresult_rows(r, 0); i++)
		printf("ended    %s: %s sessions\n", pgresult_text(r, 0, i, 0),
		       pgresult_text(r, 0, i, 1));
	leave();
}

static void on_reconciled(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	if (e != NULL) {
		give_up(e);
		return;
	}
	for (size_t i = 0; i < pgresult_rows(r, 0); i++) {
		bool repaired = pgresult_bool(r, 0, i, 2);

		printf("%-8s %s: %s\n", repaired ? "repaired" : "differs",
		       pgresult_text(r, 0, i, 0), pgresult_text(r, 0, i, 1));
		shot.left += !repaired;
	}
	if (shot.on)
		pgpool_exec(shot.queryd->warehouse, NULL, &SQL_queryd_end_closed_sessions, NULL,
			    LIMIT_MS, on_closed, NULL);
	else
		leave();
}

int bindings_access(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	if (argc != 1 || (strcmp(argv[0], "check") != 0 && strcmp(argv[0], "repair") != 0))
		return err_set(e, -EINVAL, "access: say `access check` or `access repair`");
	open_shot(d, state, strcmp(argv[0], "repair") == 0);
	shot.role_params[0] = shot.on ? "true" : "false";
	pgpool_exec(shot.queryd->warehouse, NULL, &SQL_queryd_reconcile_access, shot.role_params,
		    LIMIT_MS, on_reconciled, NULL);
	return 0;
}
