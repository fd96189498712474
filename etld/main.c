/*
 * etld: from raw events to curated facts.
 *
 * Takes the deltas that ingestd landed, in small transactions under a lock per (consumer, shard),
 * and rebuilds the rows of every touched key from all its events, so that duplicates, late and
 * reordered events need no case of their own. Also the one-shots that Cloud Run Jobs call.
 *
 * This file is wiring only: the parts are scheduler.c (who works), agenda.c (on what next), unit.c
 * (one transaction), consumers.c (what is built from what), versions.c (what is live), jobs.c,
 * control.c (events that become jobs), errand.c (what jobs do), relay.c (the outbox), janitor.c,
 * retention.c, migrate.c, run.c, backfill.c, status.c, outbox_command.c, life_command.c.
 */
#include "common/daemon/log.h"
#include "etld/etld.h"
#include "etld/migrate.h"

static int start(struct daemon *d, void *state, struct err *e)
{
	const struct etld_config *conf = daemon_conf(d);
	struct etld *st = state;
	char bound[64];
	int r;

	r = etld_open(d, st, e);
	if (r < 0)
		return r;
	st->http = httpd_new(daemon_base(d), &(struct httpd_limits){.headers_max = 16384,
								    .body_max = 1024,
								    .idle_timeout_ms = 30000,
								    .deadline_ms = 5000,
								    .connections_max = 64});
	daemon_add_admin_routes(d, st->http);
	r = httpd_listen(st->http, conf->listen, bound, e);
	if (r < 0)
		return r;
	daemon_ready(d, bound);
	return 0;
}

static void on_drained(void *arg)
{
	daemon_drained(arg);
}

static void drain(struct daemon *d, void *state)
{
	etld_drain(state, on_drained, d);
}

static const struct daemon_command commands[] = {
	{"migrate", "migrate: bring both databases to this version", migrate_start},
	{"run", "run [--projection TABLE]... [--tenant TENANT]: apply what is due, then exit",
	 etld_run_start},
	{"purge", "purge --tenant TENANT|verify RECORD: forget a deleted tenant; check the record",
	 etld_purge_start},
	{"outbox", "outbox list [--json]|retry KEY…|retry --all: what the bus did not take",
	 etld_outbox_start},
	{"backfill",
	 "backfill --projection TABLE [--from DAY] [--to DAY] [--reread] [--hold] [--json] | "
	 "--switch | "
	 "--rollback | --drop: build a version beside the live one, or rebuild some days;\n"
	 "           backfill --archive [--again] PATH...: land and apply an event archive",
	 etld_backfill_start},
	{"status", "status [--json]: what is pending, and the jobs", etld_status_start},
	{NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
	const struct daemon_spec spec = {
		.name = "etld",
		.summary = "folds landed events into facts and dimensions",
		.keys = etld_keys,
		.nkeys = etld_key_count,
		.conf_size = sizeof(struct etld_config),
		.state_size = sizeof(struct etld),
		.commands = commands,
		.start = start,
		.drain = drain,
		.stop = etld_close,
	};

	return daemon_main(&spec, argc, argv);
}
