/* What everything lands through, for the daemon and for one-shots; see ingestd.h. */
#include "ingestd/ingestd.h"

#define SERVER_SETTINGS                                                           \
	"-c search_path=pg_catalog -c statement_timeout=60s -c lock_timeout=30s " \
	"-c idle_in_transaction_session_timeout=30s -c client_min_messages=warning"

static void on_warehouse_state(void *arg, bool up, const char *reason)
{
	struct ingestd *st = arg;

	zdoor_look(st->zdoor); /* before anybody hears of it */
	daemon_condition(st->daemon, "warehouse connection", up, reason);
	if (up && st->batcher != NULL)
		batcher_kick(st->batcher);
}

static struct pgpool *open_pool(struct ingestd *st, const struct ingestd_config *conf)
{
	return pgpool_new(daemon_base(st->daemon),
			  &(struct pgpool_options){
				  .name = "warehouse",
				  .url = conf->warehouse_url[0] != '\0' ? conf->warehouse_url
									: conf->database_url,
				  /* names the instance in analytics_run.batch */
				  .application = daemon_instance(st->daemon),
				  .settings = SERVER_SETTINGS,
				  .size = (int)conf->landing_connections + 1,
				  .min_idle = (int)conf->landing_connections,
				  .waiting_max = 16,
				  .wait_ms = 5000,
				  .connect_timeout_ms = 5000,
				  .on_state = on_warehouse_state,
				  .arg = st,
			  });
}

static int open_hints(struct ingestd *st, const struct ingestd_config *conf, struct err *e)
{
	if (conf->hint_endpoint[0] == '\0')
		return 0;
	return zsock_new(daemon_base(st->daemon),
			 &(struct zsock_options){.type = ZSOCK_PUSH,
						 .endpoint = conf->hint_endpoint,
						 .hwm = 16,
						 .message_max = 4096},
			 &st->hints, e);
}

int ingestd_open_landing(struct ingestd *st, const struct ingestd_config *conf, struct err *e)
{
	int r = open_hints(st, conf, e);

	if (r < 0)
		return r;
	st->warehouse = open_pool(st, conf);
	st->batcher = batcher_new(st->daemon, st->warehouse,
				  &(struct batcher_options){conf, st->hints});
	st->shapes = shapes_new(st->daemon, st->warehouse);
	st->intake = intake_new(st->batcher, st->shapes, conf);
	return 0;
}
