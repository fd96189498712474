/*
 * One cycle after another; see relay.h.
 *
 *   idle ─▶ lease ─▶ take ─▶ send each key's rows ─▶ mark each key ─▶ (all marked) ─▶ lease …
 *     ▲                └─ nothing due ─▶ release ─┐
 *     └────────────────── poll interval ◀─────────┘
 */
#include "etld/outbox/relay.h"

#include <errno.h>

#include "common/base/arena.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/base/ulid.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "etld/outbox/parcel.h"
#include "sql_gen.h"

#define RELAY_MAGIC        OBJ_MAGIC('y')
#define STATEMENT_LIMIT_MS 10000
#define MEASURE_EVERY_MS   5000
#define ATTEMPTS_MAX       10
#define WAIT_MIN_MS        1000
#define WAIT_MAX_MS        300000

enum transport { TRANSPORT_PUBSUB, TRANSPORT_ZEROMQ, TRANSPORTS };
static const char *const transport_names[TRANSPORTS] = {"pubsub", "zeromq"};

struct relay {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *warehouse;
	struct relay_options o;
	struct daemon_timer *timer, *measure;
	char worker[128], lease[32], keys_max[12], rows_max[12], attempts_max[12];
	bool busy, stopped, leased, measuring;
	bool closed;   /* the pool goes: no more statements */
	bool progress; /* of this cycle: something was sent and noted */
	int64_t lease_ends_ms;
	struct arena *arena; /* of the cycle */
	struct parcel *parcels;
	size_t nparcels,
		under_way; /* under_way: parcels not marked yet, plus one while they go out */
	bool told;         /* that the topic is not ready */
	void (*on_drained)(void *arg);
	void *drained_arg;
	struct metric *published[TRANSPORTS], *failed[TRANSPORTS], *parked;
	struct metric *unpublished, *oldest, *parked_rows;
};

static void run(struct relay *r, const struct sql_stmt *s, const char *const *params, pgconn_fn fn,
		void *arg)
{
	if (!r->closed)
		pgpool_exec(r->warehouse, NULL, s, params, STATEMENT_LIMIT_MS, fn, arg);
}

/* ---- between cycles */

static void drained(struct relay *r)
{
	void (*fn)(void *arg) = r->on_drained;

	r->on_drained = NULL;
	if (fn != NULL)
		fn(r->drained_arg);
}

static void rest(struct relay *r)
{
	r->busy = false;
	if (r->stopped)
		drained(r);
	else
		daemon_timer_arm(r->timer, r->o.poll_ms);
}

static void on_released(void *arg, const struct pgresult *res, const struct err *e)
{
	struct relay *r = arg;

	OBJ_CHECK(r, RELAY_MAGIC);
	(void)res; /* not released: the lease ends by itself */
	(void)e;
	r->leased = false;
	rest(r);
}

static void release(struct relay *r)
{
	const char *params[] = {r->worker};

	if (r->leased)
		run(r, &SQL_relay_release_shards, params, on_released, r);
	else
		rest(r);
}

static void begin(struct relay *r);

static void parcel_done(struct relay *r)
{
	if (--r->under_way > 0)
		return;
	if (r->progress && !r->stopped)
		begin(r); /* there may be more */
	else
		release(r);
}

/* ---- what became of a parcel */

static void on_marked(void *arg, const struct pgresult *res, const struct err *e)
{
	struct parcel *p = arg;

	OBJ_CHECK(p->relay, RELAY_MAGIC);
	(void)res;
	p->relay->progress |= e == NULL;
	if (e != NULL && e->code != -ECANCELED) /* they go out again: at least once */
		log_warn("published, but not noted", LOG_S("ordering_key", p->ordering_key),
			 LOG_S("error", e->msg));
	parcel_done(p->relay);
}

static void succeeded(struct parcel *p)
{
	struct strbuf ids = STRBUF_INIT;
	const char *params[1];

	for (size_t i = 0; i < p->n; i++)
		strbuf_appendf(&ids, "%c%s", i == 0 ? '{' : ',', p->ids[i]);
	strbuf_append_char(&ids, '}');
	params[0] = ids.ptr;
	run(p->relay, &SQL_relay_mark_published, params, on_marked, p);
	strbuf_clear(&ids);
}

/* Row (parked), or none. */
static void on_failure_marked(void *arg, const struct pgresult *res, const struct err *e)
{
	struct parcel *p = arg;

	OBJ_CHECK(p->relay, RELAY_MAGIC);
	if (e == NULL && pgresult_rows(res, 0) > 0 && pgresult_bool(res, 0, 0, 0)) {
		metric_add(p->relay->parked, 1);
		log_error("key parked: see `etld outbox list`",
			  LOG_S("ordering_key", p->ordering_key), LOG_S("outbox_id", p->ids[0]));
	}
	parcel_done(p->relay);
}

/* Doubles from a second to five minutes, and of that a random half. */
static int64_t wait_ms(int64_t attempts)
{
	int64_t ms = WAIT_MIN_MS << (attempts < 9 ? attempts : 9);

	ms = ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;
	return ms / 2 + (int64_t)(backoff_random() % (uint32_t)(ms / 2));
}

static void failed(struct parcel *p, const char *why)
{
	struct relay *r = p->relay;
	char wait[32];
	const char *params[] = {p->ids[0], why, wait, r->attempts_max, VERSION};

	(void)snprintf(wait, sizeof(wait), "%lld ms", (long long)wait_ms(p->attempts));
	log_warn("not published", LOG_S("ordering_key", p->ordering_key),
		 LOG_S("outbox_id", p->ids[0]), LOG_I("attempt", p->attempts + 1),
		 LOG_S("error", why));
	run(r, &SQL_relay_mark_failed, params, on_failure_marked, p);
}

/* ---- sending */

static void to_bus(struct parcel *p)
{
	struct relay *r = p->relay;
	size_t sent = 0;

	while (sent < p->n && zsock_send(r->o.bus,
					 (const struct slice[]){slice_of(p->messages[sent].subject),
								p->envelopes[sent]},
					 2))
		sent++;
	metric_add(r->published[TRANSPORT_ZEROMQ], (int64_t)sent);
	metric_add(r->failed[TRANSPORT_ZEROMQ], (int64_t)(p->n - sent));
	/* With a topic the bus is a copy that may have holes; alone it is the one that counts. */
	if (r->o.topic != NULL || sent > 0) {
		p->n = r->o.topic != NULL ? p->n : sent;
		succeeded(p);
	} else {
		failed(p, "the bus takes no more");
	}
}

static void on_published(void *arg, const struct err *e)
{
	struct parcel *p = arg;
	struct relay *r = p->relay;

	OBJ_CHECK(r, RELAY_MAGIC);
	if (e != NULL && e->code == -ECANCELED) {
		parcel_done(r);
	} else if (e != NULL) {
		metric_add(r->failed[TRANSPORT_PUBSUB], 1);
		failed(p, e->msg);
	} else {
		metric_add(r->published[TRANSPORT_PUBSUB], (int64_t)p->n);
		if (r->o.bus != NULL)
			to_bus(p);
		else
			succeeded(p);
	}
}

static void send_parcel(struct parcel *p)
{
	struct relay *r = p->relay;
	struct err e = ERR_INIT;

	r->under_way++;
	if (clock_mono_ms() + relay_send_limit_ms(r->o.lease_ms) > r->lease_ends_ms) {
		parcel_done(r); /* somebody else may have the shard before this is through */
	} else if (r->o.topic == NULL) {
		to_bus(p);
	} else if (topic_publish(r->o.topic, p->ordering_key, p->messages, p->n, on_published, p,
				 &e) < 0) {
		metric_add(r->failed[TRANSPORT_PUBSUB], 1);
		failed(p, e.msg);
	}
}

/* ---- taking */

static void on_taken(void *arg, const struct pgresult *res, const struct err *e)
{
	struct relay *r = arg;
	struct err why = ERR_INIT;

	OBJ_CHECK(r, RELAY_MAGIC);
	if (e != NULL || pgresult_rows(res, 0) == 0 || r->stopped) {
		release(r);
		return;
	}
	if (r->o.topic != NULL && !topic_ready(r->o.topic, &why)) {
		if (why.code != -EAGAIN && !r->told)
			log_error("cannot publish", LOG_S("error", why.msg));
		r->told |= why.code != -EAGAIN;
		release(r);
		return;
	}
	r->told = false;
	arena_free(r->arena);
	r->arena = arena_new();
	r->parcels = parcels_of(res, r->arena, &r->nparcels);
	for (size_t i = 0; i < r->nparcels; i++)
		r->parcels[i].relay = r;
	r->under_way = 1;
	for (size_t i = 0; i < r->nparcels; i++)
		send_parcel(&r->parcels[i]);
	parcel_done(r);
}

static void on_leased(void *arg, const struct pgresult *res, const struct err *e)
{
	struct relay *r = arg;
	const char *params[] = {r->worker, r->keys_max, r->rows_max};

	OBJ_CHECK(r, RELAY_MAGIC);
	if (e != NULL || pgresult_i64(res, 0, 0, 0) == 0) {
		release(r);
		return;
	}
	r->leased = true;
	run(r, &SQL_relay_take_rows, params, on_taken, r);
}

static void begin(struct relay *r)
{
	const char *params[] = {r->worker, r->lease};

	r->busy = true;
	r->progress = false;
	r->lease_ends_ms = clock_mono_ms() +
			   r->o.lease_ms; /* counted from before it is asked for */
	run(r, &SQL_relay_lease_shards, params, on_leased, r);
}

static void on_timer(void *arg)
{
	struct relay *r = arg;

	OBJ_CHECK(r, RELAY_MAGIC);
	if (!r->busy && !r->stopped)
		begin(r);
}

/* ---- figures */

static void on_measured(void *arg, const struct pgresult *res, const struct err *e)
{
	struct relay *r = arg;
	double oldest;

	OBJ_CHECK(r, RELAY_MAGIC);
	r->measuring = false;
	if (e != NULL)
		return;
	metric_set(r->unpublished, (double)pgresult_i64(res, 0, 0, 0));
	if (num_double(pgresult_slice(res, 0, 0, 1), &oldest) == 0)
		metric_set(r->oldest, oldest);
	metric_set(r->parked_rows, (double)pgresult_i64(res, 0, 0, 2));
}

static void on_measure(void *arg)
{
	struct relay *r = arg;

	if (r->measuring || r->stopped)
		return;
	r->measuring = true;
	run(r, &SQL_relay_measure, NULL, on_measured, r);
}

static void register_metrics(struct relay *r)
{
	struct metric_family *published = metrics_counter_family(
		"outbox_published_total", "Rows of the outbox that were sent", "transport");
	struct metric_family *failures = metrics_counter_family(
		"outbox_failed_total", "Attempts to send that failed", "transport");

	for (int i = 0; i < TRANSPORTS; i++) {
		r->published[i] = metrics_with(published, &transport_names[i]);
		r->failed[i] = metrics_with(failures, &transport_names[i]);
	}
	r->parked = metrics_counter("outbox_parked_total", "Keys parked after their last attempt");
	r->unpublished = metrics_gauge("outbox_unpublished_rows", "Rows that wait to be sent");
	r->oldest = metrics_gauge("outbox_oldest_unpublished_seconds", "Age of the oldest of them");
	r->parked_rows = metrics_gauge("outbox_parked_keys", "Keys that wait for an operator");
}

/* ---- life */

struct relay *relay_new(struct daemon *d, struct pgpool *warehouse, const struct relay_options *o)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	char id[ULID_LEN + 1];

	ASSERT(o->topic != NULL || o->bus != NULL);
	r->magic = RELAY_MAGIC;
	r->daemon = d;
	r->warehouse = warehouse;
	r->o = *o;
	ulid_new(id); /* a process that comes back under its name is another one */
	(void)snprintf(r->worker, sizeof(r->worker), "%.90s/%s", daemon_instance(d), id);
	(void)snprintf(r->lease, sizeof(r->lease), "%lld ms", (long long)o->lease_ms);
	(void)snprintf(r->keys_max, sizeof(r->keys_max), "%d", PARCELS_MAX);
	(void)snprintf(r->rows_max, sizeof(r->rows_max), "%d", PARCEL_ROWS_MAX);
	(void)snprintf(r->attempts_max, sizeof(r->attempts_max), "%d", ATTEMPTS_MAX);
	register_metrics(r);
	r->timer = daemon_timer_new(d, 0, 0, on_timer, r);
	r->measure = daemon_timer_new(d, 0, MEASURE_EVERY_MS, on_measure, r);
	return r;
}

void relay_drain(struct relay *r, void (*on_done)(void *arg), void *arg)
{
	OBJ_CHECK(r, RELAY_MAGIC);
	r->stopped = true;
	r->on_drained = on_done;
	r->drained_arg = arg;
	if (!r->busy)
		drained(r);
}

void relay_stop(struct relay *r)
{
	if (r == NULL)
		return;
	r->stopped = r->closed = true;
	r->on_drained = NULL;
	daemon_timer_free(r->timer);
	daemon_timer_free(r->measure);
	r->timer = r->measure = NULL;
}

void relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	arena_free(r->arena);
	r->magic = 0;
	free(r);
}
