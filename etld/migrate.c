/*
 * The migration runner as a chain of steps on one connection per database; see migrate.h.
 *
 *   connect ─▶ lock ─▶ list ─▶ (begin ─▶ text ─▶ record + commit)* ─▶ close ─▶ next database
 *                                                                       └─▶ settings ─▶ quit
 *
 * Any error ends the run: the transaction of the failing migration is rolled back with its
 * connection, those before it stay.
 */
#include "etld/migrate.h"

#include <errno.h>

#include "common/base/arena.h"
#include "common/base/hash.h"
#include "common/daemon/log.h"
#include "common/pg/pgconn.h"
#include "etld/config.h"
#include "sql_gen.h"

#define MIGRATION_TIMEOUT_MS (10 * 60 * 1000)

static const struct target {
	const char *name;
	const struct sql_migration *migrations;
	const size_t *count;
	const struct sql_stmt *open, *list, *record, *close;
} targets[] = {
	{"control", sql_control_migrations, &sql_control_migration_count, &SQL_migrate_open_control,
	 &SQL_migrate_list_control, &SQL_migrate_record_control, &SQL_migrate_close_control},
	{"warehouse", sql_warehouse_migrations, &sql_warehouse_migration_count,
	 &SQL_migrate_open_warehouse, &SQL_migrate_list_warehouse, &SQL_migrate_record_warehouse,
	 &SQL_migrate_close_warehouse},
};

static struct run {
	struct daemon *daemon;
	struct pgconn *conn;
	size_t target, next; /* which database, which migration of it */
	char version[12], sha256[2 * HASH_SHA256_LEN + 1];
	const char *params[3];
	struct pgstmt record[2];
} run;

static void open_target(void);

static void quit(enum daemon_exit code)
{
	pgconn_close(run.conn);
	run.conn = NULL;
	daemon_quit(run.daemon, code);
}

static bool failed(const char *step, const struct err *e)
{
	if (e == NULL)
		return false;
	log_error("migration failed", LOG_S("database", targets[run.target].name),
		  LOG_S("step", step), LOG_S("error", e->msg));
	quit(e->sqlstate[0] != '\0' ? DAEMON_UNAVAILABLE : DAEMON_TEMPORARY);
	return true;
}

static void digest(const struct sql_migration *m, char out[2 * HASH_SHA256_LEN + 1])
{
	unsigned char sum[HASH_SHA256_LEN];

	hash_sha256(slice_of(m->text), sum);
	hash_hex(sum, sizeof(sum), out);
}

static void on_region_stored(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)r;
	if (failed("store the region", e))
		return;
	log_info("schema is up to date", LOG_I("control", SQL_CONTROL_VERSION),
		 LOG_I("warehouse", SQL_WAREHOUSE_VERSION));
	quit(DAEMON_OK);
}

static void on_key_stored(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct etld_config *conf = daemon_conf(run.daemon);

	(void)arg;
	(void)r;
	if (failed("store the scope key", e))
		return;
	run.params[0] = conf->region;
	pgconn_exec(run.conn, &SQL_etld_store_region, run.params, MIGRATION_TIMEOUT_MS,
		    on_region_stored, NULL);
}

/* The last database of the table is the warehouse, whose views check scopes with this key and show
 * what this region may. */
static void store_settings(void)
{
	const struct etld_config *conf = daemon_conf(run.daemon);

	run.params[0] = conf->scope_key_file[0] != '\0' ? conf->scope_key_file : NULL;
	pgconn_exec(run.conn, &SQL_etld_store_scope_key, run.params, MIGRATION_TIMEOUT_MS,
		    on_key_stored, NULL);
}

static void on_closed(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)r;
	if (failed("close", e))
		return;
	if (run.target + 1 == ARRAY_SIZE(targets)) {
		store_settings();
		return;
	}
	pgconn_close(run.conn);
	run.target++;
	open_target();
}

static void apply_next(void);

static void on_recorded(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct target *t = &targets[run.target];

	(void)arg;
	(void)r;
	if (failed(t->migrations[run.next].name, e))
		return;
	log_info("migration applied", LOG_S("database", t->name),
		 LOG_I("version", t->migrations[run.next].version),
		 LOG_S("name", t->migrations[run.next].name));
	run.next++;
	apply_next();
}

static void on_applied(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct target *t = &targets[run.target];
	const struct sql_migration *m = &t->migrations[run.next];

	(void)arg;
	(void)r;
	if (failed(m->name, e))
		return;
	(void)snprintf(run.version, sizeof(run.version), "%d", m->version);
	digest(m, run.sha256);
	run.params[0] = run.version;
	run.params[1] = m->name;
	run.params[2] = run.sha256;
	run.record[0] = (struct pgstmt){t->record, run.params};
	run.record[1] = (struct pgstmt){&SQL_etld_commit, NULL};
	pgconn_batch(run.conn, run.record, 2, MIGRATION_TIMEOUT_MS, on_recorded, NULL);
}

static void on_begun(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct sql_migration *m = &targets[run.target].migrations[run.next];

	(void)arg;
	(void)r;
	if (!failed("begin", e))
		pgconn_script(run.conn, m->text, NULL, 0, MIGRATION_TIMEOUT_MS, on_applied, NULL);
}

static void apply_next(void)
{
	if (run.next < *targets[run.target].count) {
		pgconn_exec(run.conn, &SQL_etld_begin, NULL, MIGRATION_TIMEOUT_MS, on_begun, NULL);
	} else {
		pgconn_script(run.conn, targets[run.target].close->text, NULL, 0,
			      MIGRATION_TIMEOUT_MS, on_closed, NULL);
	}
}

static void on_listed(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct target *t = &targets[run.target];
	size_t applied;

	(void)arg;
	if (failed("list", e))
		return;
	applied = pgresult_rows(r, 0);
	for (size_t i = 0; i < applied && i < *t->count; i++) {
		char sha256[2 * HASH_SHA256_LEN + 1];

		digest(&t->migrations[i], sha256);
		if (pgresult_i64(r, 0, i, 0) != t->migrations[i].version ||
		    strcmp(pgresult_text(r, 0, i, 2), sha256) != 0) {
			log_error("an applied migration differs from this binary's",
				  LOG_S("database", t->name),
				  LOG_I("version", t->migrations[i].version),
				  LOG_S("name", t->migrations[i].name));
			quit(DAEMON_CONFIG);
			return;
		}
	}
	if (applied > *t->count)
		log_warn("the database is newer than this binary", LOG_S("database", t->name),
			 LOG_I("database_version", applied), LOG_I("binary_version", *t->count));
	run.next = applied;
	apply_next();
}

static void on_locked(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)r;
	if (!failed("lock", e))
		pgconn_exec(run.conn, targets[run.target].list, NULL, MIGRATION_TIMEOUT_MS,
			    on_listed, NULL);
}

static void on_connected(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)r;
	if (!failed("connect", e))
		pgconn_script(run.conn, targets[run.target].open->text, NULL, 0,
			      MIGRATION_TIMEOUT_MS, on_locked, NULL);
}

static const char *first_set(const char *a, const char *b, const char *c)
{
	return a[0] != '\0' ? a : b[0] != '\0' ? b : c;
}

static void open_target(void)
{
	const struct etld_config *conf = daemon_conf(run.daemon);
	struct pgconn_options o = {
		.application = "etld migrate",
		.settings = "-c lock_timeout=60s -c client_min_messages=warning",
		.connect_timeout_ms = 5000,
	};

	o.url = run.target == 0 ? first_set(conf->migrate_url, conf->database_url, "")
				: first_set(conf->migrate_warehouse_url, conf->migrate_url,
					    first_set(conf->warehouse_url, conf->database_url, ""));
	run.conn = pgconn_open(daemon_base(run.daemon), &o, on_connected, NULL);
}

int migrate_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	(void)state;
	(void)argv;
	if (argc != 0)
		return err_set(e, -EINVAL, "migrate takes no arguments");
	run = (struct run){.daemon = d};
	open_target();
	return 0;
}
