/* Wires the parts of etld together; see etld.h. */
#include "etld/etld.h"

#include <errno.h>

#include "common/daemon/log.h"
#include "sql_gen.h"

/* No statement of etld may outlive its unit's limit by much, whatever happens to this process. */
#define SERVER_SETTINGS                                     \
	"-c search_path=pg_catalog -c lock_timeout=10s -c " \
	"idle_in_transaction_session_timeout=60s "          \
	"-c client_min_messages=warning -c jit=off"

static void on_warehouse_state(void *arg, bool up, const char *reason)
{
	struct etld *st = arg;

	daemon_condition(st->daemon, "warehouse connection", up, reason);
}

static void on_control_state(void *arg, bool up, const char *reason)
{
	struct etld *st = arg;

	daemon_condition(st->daemon, "control connection", up, reason);
}

static void on_hint(void *arg, const struct slice *parts, size_t n)
{
	struct etld *st = arg;

	(void)parts; /* what is due is in the tables; the hint only says when to look */
	(void)n;
	if (st->scheduler != NULL)
		scheduler_wake(st->scheduler);
}

void etld_start_work(struct etld *st, bool backfills)
{
	const struct etld_config *conf = daemon_conf(st->daemon);
	struct scheduler_options o = st->options;

	o.workers = (int)conf->workers;
	o.poll_ms = conf->poll_interval;
	o.backfill_share = (int)conf->backfill_share;
	o.backfill_pause_ms = conf->backfill_pause;
	o.unit.max_events = conf->unit_events;
	o.unit.timeout_ms = conf->unit_timeout;
	if (conf->guest_key_seed_file[0] != '\0')
		o.unit.guest_key_seed = conf->guest_key_seed_file;
	if (!st->once)
		o.task_count = 1;
	st->scheduler = scheduler_new(st->daemon, st->warehouse, &st->publisher, &o);
	if (!st->once) {
		st->jobs = jobs_new(st->daemon, st->control, st->warehouse,
				    &(struct jobs_options){conf->job_lease, conf->job_timeout,
							   st->redis, st->signer, NULL, false});
		st->janitor = janitor_new(st->daemon, st->control, st->warehouse);
		st->events = control_new(st->daemon, st->control, st->warehouse,
					 conf->poll_interval, conf->purge_grace);
		st->signals = signals_new(st->daemon, st->warehouse,
					  &(struct signals_options){conf->signals,
								    conf->signals_interval,
								    conf->signals_min_group});
		st->retention = retention_new(st->daemon, st->warehouse, conf);
	}
	if (!st->once && st->topic == NULL && st->bus == NULL)
		log_warn("neither publish_topic nor bus_listen is set: the outbox keeps its rows");
	if (!st->once && (st->topic != NULL || st->bus != NULL))
		st->relay = relay_new(st->daemon, st->warehouse,
				      &(struct relay_options){st->topic, st->bus,
							      conf->poll_interval,
							      conf->job_lease});
	if (backfills)
		st->backfills = jobs_new(st->daemon, st->control, st->warehouse,
					 &(struct jobs_options){conf->job_lease, 0, NULL, NULL,
								&st->publisher, true});
}

static void schema_ok(struct etld *st)
{
	if (!st->control_ok || !st->warehouse_ok || st->ready)
		return;
	st->ready = true;
	if (st->on_ready != NULL)
		st->on_ready(st);
	else
		etld_start_work(st, !st->once);
}

static void on_control_schema(void *arg)
{
	struct etld *st = arg;

	st->control_ok = true;
	schema_ok(st);
}

static void on_warehouse_schema(void *arg)
{
	struct etld *st = arg;

	st->warehouse_ok = true;
	schema_ok(st);
}

static void open_pools(struct etld *st, const struct etld_config *conf)
{
	struct event_base *base = daemon_base(st->daemon);
	const char *warehouse = conf->warehouse_url[0] != '\0' ? conf->warehouse_url
							       : conf->database_url;

	st->warehouse = pgpool_new(base, &(struct pgpool_options){
						 .name = "warehouse",
						 .url = warehouse,
						 .application = "etld",
						 .settings = SERVER_SETTINGS,
						 /* and for the janitor, jobs and the relay */
						 .size = (int)conf->workers + 4,
						 .min_idle = (int)conf->workers,
						 .waiting_max = 256,
						 .wait_ms = 5000,
						 .connect_timeout_ms = 5000,
						 .on_state = on_warehouse_state,
						 .arg = st,
					 });
	st->control = pgpool_new(base, &(struct pgpool_options){
					       .name = "control",
					       .url = conf->database_url,
					       .application = "etld",
					       .settings = SERVER_SETTINGS,
					       .size = 2,
					       .min_idle = 1,
					       .waiting_max = 64,
					       .wait_ms = 5000,
					       .connect_timeout_ms = 5000,
					       .on_state = on_control_state,
					       .arg = st,
				       });
}

struct pgpool *etld_open_one_shot(struct daemon *d, const char *database, const char *application)
{
	const struct etld_config *conf = daemon_conf(d);
	bool warehouse = strcmp(database, "warehouse") == 0 && conf->warehouse_url[0] != '\0';

	return pgpool_new(daemon_base(d),
			  &(struct pgpool_options){
				  .name = database,
				  .url = warehouse ? conf->warehouse_url : conf->database_url,
				  .application = application,
				  .settings = "-c search_path=pg_catalog",
				  .size = 1,
				  .waiting_max = 1,
				  .wait_ms = 5000,
				  .connect_timeout_ms = 5000,
			  });
}

int etld_open_redis(struct etld *st, struct err *e)
{
	const struct etld_config *conf = daemon_conf(st->daemon);

	if (conf->redis_url[0] == '\0')
		return 0;
	return redisq_new(daemon_base(st->daemon), conf->redis_url, 10000, 1000, NULL, NULL,
			  &st->redis, e);
}

int etld_open_signer(struct etld *st, struct err *e)
{
	const struct etld_config *conf = daemon_conf(st->daemon);
	int r;

	if (conf->purge_key_file[0] == '\0')
		return 0;
	r = signer_new(slice_of(conf->purge_key_file), &st->signer, e);
	return r < 0 ? err_wrap(e, r, "purge_key_file") : 0;
}

int etld_open(struct daemon *d, struct etld *st, struct err *e)
{
	const struct etld_config *conf = daemon_conf(d);
	struct event_base *base = daemon_base(d);
	int r = signals_check(conf->signals, e);

	if (r < 0)
		return r;
	st->daemon = d;
	open_pools(st, conf);
	r = etld_open_redis(st, e);
	if (r == 0)
		r = etld_open_signer(st, e);
	if (r < 0)
		return r;
	if (conf->bus_listen[0] != '\0' && !st->once) {
		r = zsock_new(base,
			      &(struct zsock_options){.type = ZSOCK_PUB,
						      .endpoint = conf->bus_listen,
						      .bind = true,
						      .hwm = 10000,
						      .message_max = 65536},
			      &st->bus, e);
		if (r < 0)
			return r;
	}
	if (conf->publish_topic[0] != '\0' && !st->once) {
		r = topic_new(
			base,
			&(struct topic_options){.name = conf->publish_topic,
						.endpoint = conf->pubsub_endpoint,
						.emulator = conf->pubsub_emulator_host,
						.token_file = conf->publish_token_file,
						.timeout_ms = relay_send_limit_ms(conf->job_lease)},
			&st->topic, e);
		if (r < 0)
			return r;
	}
	if (conf->hint_listen[0] != '\0' && !st->once) {
		r = zsock_new(base,
			      &(struct zsock_options){.type = ZSOCK_PULL,
						      .endpoint = conf->hint_listen,
						      .bind = true,
						      .hwm = 1000,
						      .message_max = 65536,
						      .on_message = on_hint,
						      .arg = st},
			      &st->hints, e);
		if (r < 0)
			return r;
	}
	st->publisher = (struct publisher){st->redis, st->bus};
	st->control_schema = schema_check_new(d, st->control, "control schema",
					      &SQL_schema_version_control, SQL_CONTROL_VERSION,
					      on_control_schema, st);
	st->warehouse_schema = schema_check_new(d, st->warehouse, "warehouse schema",
						&SQL_schema_version_warehouse,
						SQL_WAREHOUSE_VERSION, on_warehouse_schema, st);
	return 0;
}

static void drained(void *arg)
{
	struct etld *st = arg;

	st->on_drained(st->drained_arg);
}

/* Units and jobs first, because they write the outbox; then what is being published. */
static void on_backfills_drained(void *arg)
{
	struct etld *st = arg;

	if (st->relay != NULL)
		relay_drain(st->relay, drained, st);
	else
		drained(st);
}

static void on_jobs_drained(void *arg)
{
	struct etld *st = arg;

	if (st->backfills != NULL)
		jobs_drain(st->backfills, on_backfills_drained, st);
	else
		on_backfills_drained(st);
}

static void on_units_drained(void *arg)
{
	struct etld *st = arg;

	if (st->jobs != NULL)
		jobs_drain(st->jobs, on_jobs_drained, st);
	else
		on_jobs_drained(st);
}

void etld_drain(struct etld *st, void (*on_done)(void *arg), void *arg)
{
	st->on_drained = on_done;
	st->drained_arg = arg;
	if (st->scheduler != NULL)
		scheduler_drain(st->scheduler, on_units_drained, st);
	else
		on_units_drained(st);
}

void etld_close(struct daemon *d, void *state)
{
	struct etld *st = state;

	(void)d;
	etld_run_stop();
	etld_purge_stop();
	etld_backfill_stop();
	etld_archive_stop();
	httpd_free(st->http);
	zsock_free(st->hints);
	if (st->scheduler != NULL)
		scheduler_drain(st->scheduler, NULL, NULL);
	jobs_stop(st->jobs);
	jobs_stop(st->backfills);
	janitor_stop(st->janitor);
	control_stop(st->events);
	relay_stop(st->relay);
	signals_stop(st->signals);
	retention_stop(st->retention);
	schema_check_free(st->control_schema);
	schema_check_free(st->warehouse_schema);
	pgpool_free(st->warehouse); /* what still runs ends with -ECANCELED here */
	pgpool_free(st->control);
	topic_free(st->topic);
	scheduler_free(st->scheduler);
	jobs_free(st->jobs);
	jobs_free(st->backfills);
	janitor_free(st->janitor);
	control_free(st->events);
	relay_free(st->relay);
	signals_free(st->signals);
	retention_free(st->retention);
	zsock_free(st->bus);
	redisq_free(st->redis);
	signer_free(st->signer);
}
