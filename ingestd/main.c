/*
 * ingestd: the bus boundary. Takes platform events in any of their shapes, makes them durable in
 * events_raw.event, and only then acknowledges them.
 *
 * This file is wiring only: door/ (HTTP, ZeroMQ, Pub/Sub) -> reading/ (what an event says) ->
 * landing/ (one transaction a batch) -> Postgres.
 */
#include "common/daemon/log.h"
#include "ingestd/door/load.h"
#include "ingestd/ingestd.h"
#include "ingestd/letter/dead_letter_command.h"
#include "sql_gen.h"

static void on_schema(void *arg)
{
	struct ingestd *st = arg;

	batcher_start(st->batcher);
}

static int start(struct daemon *d, void *state, struct err *e)
{
	const struct ingestd_config *conf = daemon_conf(d);
	struct ingestd *st = state;
	char bound[64];
	int r;

	st->daemon = d;
	r = ingestd_open_landing(st, conf, e);
	if (r < 0)
		return r;
	r = callers_open(&st->callers, daemon_base(d), conf, e);
	if (r < 0)
		return r;
	doors_open(&st->doors, &st->callers, st->intake);
	st->schema = schema_check_new(d, st->warehouse, "warehouse schema",
				      &SQL_schema_version_warehouse, SQL_WAREHOUSE_VERSION,
				      on_schema, st);
	st->http = httpd_new(daemon_base(d),
			     &(struct httpd_limits){.headers_max = 32768,
						    .body_max = (size_t)32 << 20,
						    .idle_timeout_ms = conf->read_timeout,
						    .deadline_ms = conf->land_timeout + 5000,
						    .connections_max = 4096});
	doors_add_routes(&st->doors, st->http);
	daemon_add_admin_routes(d, st->http);
	r = zdoor_open(d, conf, st->intake, &st->zdoor, e);
	if (r == 0)
		r = puller_open(d, conf, st->intake, &st->puller, e);
	if (r < 0)
		return r;
	r = httpd_listen(st->http, conf->listen, bound, e);
	if (r == 0)
		daemon_ready(d, bound);
	return r;
}

#define DRAINED_PARTS 4

static void on_idle(void *arg)
{
	struct ingestd *st = arg;

	if (++st->idle == DRAINED_PARTS)
		daemon_drained(st->daemon);
}

static void drain(struct daemon *d, void *state)
{
	struct ingestd *st = state;

	if (st->dead_letters != NULL ||
	    st->load != NULL) { /* may be stopped anywhere and run again */
		daemon_drained(d);
		return;
	}
	batcher_drain(st->batcher, on_idle, st);
	httpd_drain(st->http, on_idle, st);
	zdoor_drain(st->zdoor, on_idle, st);
	puller_drain(st->puller, on_idle, st);
}

/* Sources before sinks: what still waits is answered 503 while its request exists. */
static void stop(struct daemon *d, void *state)
{
	struct ingestd *st = state;

	(void)d;
	schema_check_free(st->schema);
	batcher_stop(st->batcher);
	pgpool_free(st->warehouse);
	batcher_free(st->batcher);
	dead_letter_command_free(st->dead_letters);
	load_free(st->load);
	httpd_free(st->http);
	zdoor_free(st->zdoor);
	puller_free(st->puller);
	intake_free(st->intake);
	shapes_free(st->shapes);
	callers_close(&st->callers);
	zsock_free(st->hints);
}

static const struct daemon_command commands[] = {
	{"dead-letter", DEAD_LETTER_USAGE, dead_letter_command_start},
	{"load", LOAD_USAGE, load_start},
	{NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
	const struct daemon_spec spec = {
		.name = "ingestd",
		.summary = "lands platform events, exactly once, before it acknowledges them",
		.keys = ingestd_keys,
		.nkeys = ingestd_key_count,
		.conf_size = sizeof(struct ingestd_config),
		.state_size = sizeof(struct ingestd),
		.commands = commands,
		.start = start,
		.drain = drain,
		.stop = stop,
	};

	return daemon_main(&spec, argc, argv);
}
