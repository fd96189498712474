/*
 * dqd: data quality. Keeps profiles of the curated tables, judges every check from them after each
 * refresh and on a schedule, stores the results, and raises and resolves alerts, each once.
 *
 * This file is wiring only: inspector.c says when, profiler.c counts, evaluate.c measures and
 * stores, alerts.c tells, checks.c knows the kinds.
 */
#include <errno.h>

#include "common/daemon/jobtask.h"
#include "common/daemon/log.h"
#include "dqd/dqd.h"
#include "sql_gen.h"

/* No lock_timeout: each statement has its own limit, a full pass waits for whoever is counting.
 * Plans for the moment: the list of what is dirty is empty now and long the next time, and a plan
 * made while it was empty compares all of it with all of it. */
#define SERVER_SETTINGS                                                         \
	"-c search_path=pg_catalog -c idle_in_transaction_session_timeout=60s " \
	"-c client_min_messages=warning -c jit=off -c plan_cache_mode=force_custom_plan"

static void on_warehouse_state(void *arg, bool up, const char *reason)
{
	daemon_condition(arg, "warehouse connection", up, reason);
}

static void on_control_state(void *arg, bool up, const char *reason)
{
	daemon_condition(arg, "control connection", up, reason);
}

static void on_refreshed(void *arg, const struct slice *parts, size_t n)
{
	struct dqd *st = arg;

	(void)parts; /* which tenants changed is in the tables */
	(void)n;
	if (st->inspector != NULL)
		inspector_wake(st->inspector);
}

static void on_run_done(void *arg, const struct evaluate_report *r, const struct err *e)
{
	struct dqd *st = arg;

	if (e != NULL) {
		log_error("checks not run", LOG_S("error", e->msg));
		daemon_quit(st->daemon, DAEMON_TEMPORARY);
		return;
	}
	log_info("checks run", LOG_I("checked", r->checked), LOG_I("failing", r->failing),
		 LOG_I("changed", r->changed));
	daemon_quit(st->daemon, DAEMON_OK);
}

static void schema_ok(struct dqd *st)
{
	const struct dqd_config *conf = daemon_conf(st->daemon);
	const struct evaluate_target target = {st->control, st->warehouse,
					       daemon_instance(st->daemon), st->table};

	if (!st->control_ok || !st->warehouse_ok || st->inspector != NULL)
		return;
	st->profiler = profiler_new(st->warehouse, conf);
	st->inspector = inspector_new(st->daemon, st->profiler, &target, conf);
	if (st->once)
		inspector_run_once(st->inspector, on_run_done, st);
	else
		inspector_wake(st->inspector);
}

static void on_control_schema(void *arg)
{
	struct dqd *st = arg;

	st->control_ok = true;
	schema_ok(st);
}

static void on_warehouse_schema(void *arg)
{
	struct dqd *st = arg;

	st->warehouse_ok = true;
	schema_ok(st);
}

static struct pgpool *open_pool(struct daemon *d, const char *name, const char *url,
				void (*on_state)(void *arg, bool up, const char *reason))
{
	return pgpool_new(daemon_base(d), &(struct pgpool_options){
						  .name = name,
						  .url = url,
						  .application = "dqd",
						  .settings = SERVER_SETTINGS,
						  .size = 2,
						  .min_idle = 1,
						  .waiting_max = 16,
						  .wait_ms = 5000,
						  .connect_timeout_ms = 5000,
						  .on_state = on_state,
						  .arg = d,
					  });
}

static int open_parts(struct daemon *d, struct dqd *st, struct err *e)
{
	const struct dqd_config *conf = daemon_conf(d);
	int r = 0;

	st->daemon = d;
	st->warehouse = open_pool(d, "warehouse",
				  conf->warehouse_url[0] != '\0' ? conf->warehouse_url
								 : conf->database_url,
				  on_warehouse_state);
	st->control = open_pool(d, "control", conf->database_url, on_control_state);
	if (conf->bus_connect[0] != '\0' && !st->once)
		r = zsock_new(daemon_base(d),
			      &(struct zsock_options){.type = ZSOCK_SUB,
						      .endpoint = conf->bus_connect,
						      .subscribe = "refreshed",
						      .hwm = 1000,
						      .message_max = 65536,
						      .on_message = on_refreshed,
						      .arg = st},
			      &st->bus, e);
	st->control_schema = schema_check_new(d, st->control, "control schema",
					      &SQL_schema_version_control, SQL_CONTROL_VERSION,
					      on_control_schema, st);
	st->warehouse_schema = schema_check_new(d, st->warehouse, "warehouse schema",
						&SQL_schema_version_warehouse,
						SQL_WAREHOUSE_VERSION, on_warehouse_schema, st);
	return r;
}

static int start(struct daemon *d, void *state, struct err *e)
{
	const struct dqd_config *conf = daemon_conf(d);
	struct dqd *st = state;
	char bound[64];
	int r;

	r = open_parts(d, st, e);
	if (r < 0)
		return r;
	st->http = httpd_new(daemon_base(d), &(struct httpd_limits){.headers_max = 16384,
								    .body_max = 1024,
								    .idle_timeout_ms = 30000,
								    .deadline_ms = 5000,
								    .connections_max = 64});
	daemon_add_admin_routes(d, st->http);
	r = httpd_listen(st->http, conf->listen, bound, e);
	if (r == 0)
		daemon_ready(d, bound);
	return r;
}

/* `dqd run [--table T]`: counts everything again, judges it, exits. As a Cloud Run Job its first
 * task does it all: two that count the same cells would only wait for each other. */
static int start_run(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	struct dqd *st = state;
	struct jobtask task;
	int r;

	if (argc != 0 && (argc != 2 || strcmp(argv[0], "--table") != 0))
		return err_set(e, -EINVAL, "run: the only option is --table TABLE");
	r = jobtask_read("run", &task, e);
	if (r < 0)
		return r;
	if (task.index > 0) {
		log_info("left to the first task", LOG_I("task", task.index));
		daemon_quit(d, DAEMON_OK);
		return 0;
	}
	st->once = true;
	st->table = argc == 2 ? argv[1] : NULL;
	return open_parts(d, st, e);
}

static void drain(struct daemon *d, void *state)
{
	struct dqd *st = state;

	inspector_stop(st->inspector); /* a round that is cut off is simply run again */
	daemon_drained(d);
}

static void stop(struct daemon *d, void *state)
{
	struct dqd *st = state;

	(void)d;
	httpd_free(st->http);
	zsock_free(st->bus);
	inspector_stop(st->inspector);
	schema_check_free(st->control_schema);
	schema_check_free(st->warehouse_schema);
	pgpool_free(st->warehouse);
	pgpool_free(st->control);
	inspector_free(st->inspector);
	profiler_free(st->profiler);
}

static const struct daemon_command commands[] = {
	{"run", "run [--table TABLE]: count and check everything now, then exit", start_run},
	{NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
	const struct daemon_spec spec = {
		.name = "dqd",
		.summary = "checks the quality of curated data",
		.keys = dqd_keys,
		.nkeys = dqd_key_count,
		.conf_size = sizeof(struct dqd_config),
		.state_size = sizeof(struct dqd),
		.commands = commands,
		.start = start,
		.drain = drain,
		.stop = stop,
	};

	return daemon_main(&spec, argc, argv);
}
