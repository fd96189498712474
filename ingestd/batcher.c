/*
 * The queue of batches; see batcher.h.
 *
 *   open[fast], open[careful] ─(full, or a connection is idle)─▶ queue ─▶ landing ─▶ settled
 */
#include "ingestd/batcher.h"

#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/xalloc.h"
#include "common/zsock.h"
#include "ingestd/landing.h"
#include "ingestd/recent.h"
#include "sql_gen.h"

#define BATCHER_MAGIC    OBJ_MAGIC('B')
#define IDS_RESERVED     1024 /* batch ids kept ready */
#define IDS_LOW          256  /* fetch more */
#define IDS_SPARE        64   /* below: refuse at the door */
#define ROW_OVERHEAD     4096 /* more than the envelope columns of any event take */
#define EVENT_MAX        ((size_t)1 << 20)
#define RESERVE_RETRY_MS 250

enum lane { LANE_FAST, LANE_CAREFUL, LANE_COUNT };

struct batcher {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *pool;
	struct batcher_options options;
	struct recent *recent;
	struct batch *open[LANE_COUNT];
	struct batch *queue, **queue_tail;
	size_t queued_bytes; /* open and queued; in flight too, until settled */
	int in_flight;
	int64_t ids[IDS_RESERVED]; /* reserved batch ids: the first nids, the last is next */
	size_t nids;
	char wanted[24];
	bool reserving, draining, stopped;
	struct daemon_timer *kick, *reserve_later;
	void (*on_idle)(void *arg);
	void *idle_arg;
	struct metric_family *outcomes;
	struct metric *seconds, *batch_events, *queue_gauge, *careful;
};

static void run(struct batcher *b);

/* ---- batch ids, reserved in blocks so that a row can name its batch when it is encoded */

static void reserve_ids(void *arg);

static void on_reserved(void *arg, const struct pgresult *r, const struct err *e)
{
	struct batcher *b = arg;

	OBJ_CHECK(b, BATCHER_MAGIC);
	b->reserving = false;
	if (e != NULL) {
		if (e->code != -ECANCELED)
			daemon_timer_arm(b->reserve_later, RESERVE_RETRY_MS);
		return;
	}
	for (size_t row = 0; row < pgresult_rows(r, 0) && b->nids < IDS_RESERVED; row++)
		b->ids[b->nids++] = pgresult_i64(r, 0, row, 0);
	daemon_condition(b->daemon, "batch ids", true, "");
	run(b);
}

static void reserve_ids(void *arg)
{
	struct batcher *b = arg;
	const char *params[1] = {b->wanted};

	if (b->reserving)
		return;
	b->reserving = true;
	(void)snprintf(b->wanted, sizeof(b->wanted), "%zu", IDS_RESERVED - b->nids);
	pgpool_exec(b->pool, NULL, &SQL_ingestd_reserve_batch_ids, params, 5000, on_reserved, b);
}

static int64_t take_id(struct batcher *b)
{
	ASSERT(b->nids > 0);
	if (b->nids < IDS_LOW && !b->reserving)
		daemon_timer_arm(b->reserve_later, 0);
	return b->ids[--b->nids];
}

/* ---- adding */

static void enqueue(struct batcher *b, enum lane lane)
{
	struct batch *batch = b->open[lane];

	b->open[lane] = NULL;
	*b->queue_tail = batch;
	b->queue_tail = &batch->next;
}

/* The open batch of the lane with room for `bytes` more. */
static struct batch *batch_for(struct batcher *b, enum lane lane, size_t bytes)
{
	size_t limit = (size_t)b->options.conf->batch_bytes;
	struct batch *batch = b->open[lane];

	if (batch != NULL && (batch_bytes(batch) + bytes > limit ||
			      batch->nitems >= (size_t)b->options.conf->batch_events))
		enqueue(b, lane);
	if (b->open[lane] == NULL)
		b->open[lane] = batch_new(take_id(b), lane == LANE_CAREFUL,
					  limit + EVENT_MAX + 4 * ROW_OVERHEAD);
	b->queued_bytes += bytes;
	b->open[lane]->charged += bytes;
	return b->open[lane];
}

enum batcher_door batcher_door(const struct batcher *b, size_t bytes)
{
	if (!pgpool_up(b->pool) || b->nids < IDS_SPARE || b->draining)
		return BATCHER_UNAVAILABLE;
	if (b->queued_bytes + bytes > (size_t)b->options.conf->queue_bytes && b->queued_bytes > 0)
		return BATCHER_FULL;
	return BATCHER_OPEN;
}

void batcher_add_event(struct batcher *b, struct submission *owner, uint32_t index,
		       const struct event *ev, struct slice body, struct slice attributes,
		       int64_t received_us)
{
	enum lane lane = recent_seen(b->recent, ev->tenant_id, ev->dedupe_key) ? LANE_CAREFUL
									       : LANE_FAST;
	struct batch *batch = batch_for(b, lane, body.len + attributes.len + ROW_OVERHEAD);

	batch_add_event(batch, owner, index, ev, body, attributes, received_us);
}

void batcher_add_dead_letter(struct batcher *b, struct submission *owner, uint32_t index,
			     const struct dead_letter *d)
{
	struct batch *batch = batch_for(b, LANE_FAST,
					d->body.len + d->attributes.len + ROW_OVERHEAD);

	batch_add_dead_letter(batch, owner, index, d);
}

/* ---- landing */

static void count(struct batcher *b, const char *outcome, size_t n)
{
	if (n != 0)
		metric_add(metrics_with(b->outcomes, (const char *const[]){outcome}), (int64_t)n);
}

static void push_front(struct batcher *b, struct batch *batch)
{
	batch->next = b->queue;
	if (b->queue == NULL)
		b->queue_tail = &batch->next;
	b->queue = batch;
}

/* Postgres refused a row that our reader let pass: halve the batch until the row stands alone, then
 * keep it as a dead letter, so that one event cannot stop the others. */
static void isolate(struct batcher *b, struct batch *batch, const struct err *e)
{
	if (batch->nitems == 1) {
		log_error("event refused by the warehouse", LOG_S("error", e->msg));
		batch_refuse_only(batch, e->msg);
	} else if (b->nids > 0) {
		push_front(b, batch_split(batch, take_id(b)));
	} else { /* no id for the other half: the callers send again */
		b->queued_bytes -= batch->charged;
		batch_settle_failed(batch);
		batch_free(batch);
		return;
	}
	push_front(b, batch);
}

static void note_report(struct batcher *b, const struct landing_report *r)
{
	if (r->end == LANDING_FAILED) {
		log_error("batch not landed", LOG_S("error", r->err->msg),
			  LOG_S("sqlstate", r->err->sqlstate));
		return;
	}
	count(b, "accepted", r->accepted);
	count(b, "duplicate", r->duplicates);
	count(b, "conflict", r->conflicts);
	count(b, "dead_letter", r->dead_letters);
	metric_observe(b->seconds, (double)r->elapsed_us / 1e6);
	metric_observe(b->batch_events, (double)(r->accepted + r->duplicates + r->conflicts));
	metric_add(b->careful, r->careful);
	if (r->accepted > 0 && b->options.hints != NULL)
		(void)zsock_send(b->options.hints, &SLICE_LIT("landed"), 1);
}

static void on_landed(void *arg, struct batch *batch, const struct landing_report *r)
{
	struct batcher *b = arg;

	OBJ_CHECK(b, BATCHER_MAGIC);
	pgpool_release(b->pool, batch->conn);
	batch->conn = NULL;
	b->in_flight--;
	if (r->end == LANDING_REFUSED) {
		isolate(b, batch, r->err);
	} else {
		note_report(b, r);
		b->queued_bytes -= batch->charged;
		batch_free(batch);
	}
	run(b);
}

static void on_conn(void *arg, struct pgconn *c, const struct err *e)
{
	struct batch *batch = arg;
	struct batcher *b = batch->batcher;

	OBJ_CHECK(b, BATCHER_MAGIC);
	if (c == NULL) {
		b->in_flight--;
		b->queued_bytes -= batch->charged;
		log_error("batch not landed", LOG_S("error", e->msg));
		batch_settle_failed(batch);
		batch_free(batch);
		run(b);
		return;
	}
	batch->conn = c;
	landing_start(c, batch, b->options.conf->land_timeout, on_landed, b);
}

/* The next batch to land: closed ones first, then whatever gathered in an open one. */
static struct batch *next_batch(struct batcher *b)
{
	struct batch *batch;

	for (int lane = 0; lane < LANE_COUNT && b->queue == NULL; lane++) {
		if (b->open[lane] != NULL)
			enqueue(b, (enum lane)lane);
	}
	batch = b->queue;
	if (batch != NULL) {
		b->queue = batch->next;
		batch->next = NULL;
		if (b->queue == NULL)
			b->queue_tail = &b->queue;
	}
	return batch;
}

static void run(struct batcher *b)
{
	struct batch *batch;

	while (!b->stopped && b->in_flight < (int)b->options.conf->landing_connections &&
	       (batch = next_batch(b)) != NULL) {
		b->in_flight++;
		batch->batcher = b;
		(void)pgpool_acquire(b->pool, NULL, on_conn, batch);
	}
	metric_set(b->queue_gauge, (double)b->queued_bytes);
	if (b->draining && b->in_flight == 0 && b->queue == NULL && b->on_idle != NULL) {
		b->on_idle(b->idle_arg);
		b->on_idle = NULL;
	}
}

static void on_kick(void *arg)
{
	run(arg);
}

void batcher_kick(struct batcher *b)
{
	OBJ_CHECK(b, BATCHER_MAGIC);
	/* at the end of this loop turn, so that all requests that are readable now share a commit
	 */
	if (b->in_flight < (int)b->options.conf->landing_connections)
		daemon_timer_arm(b->kick, 0);
}

static void register_metrics(struct batcher *b)
{
	static const double sizes[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};

	b->outcomes = metrics_counter_family("ingest_events_total", "Events by outcome", "outcome");
	b->seconds = metrics_histogram("ingest_commit_seconds", "Duration of landing transactions",
				       METRICS_SECONDS, METRICS_SECONDS_COUNT);
	b->batch_events = metrics_histogram(
		"ingest_batch_events", "Events of a landing transaction", sizes, ARRAY_SIZE(sizes));
	b->queue_gauge = metrics_gauge("ingest_queue_bytes", "Bytes that wait for their commit");
	b->careful = metrics_counter("ingest_careful_batches_total",
				     "Batches that took the way through the temporary table");
}

struct batcher *batcher_new(struct daemon *d, struct pgpool *warehouse,
			    const struct batcher_options *o)
{
	struct batcher *b = xcalloc(1, sizeof(*b));

	b->magic = BATCHER_MAGIC;
	b->daemon = d;
	b->pool = warehouse;
	b->options = *o;
	b->recent = recent_new((size_t)o->conf->recent_ids);
	b->queue_tail = &b->queue;
	register_metrics(b);
	daemon_condition(d, "batch ids", false, "not reserved yet");
	b->kick = daemon_timer_new(d, 0, 0, on_kick, b);
	return b;
}

void batcher_start(struct batcher *b)
{
	OBJ_CHECK(b, BATCHER_MAGIC);
	b->reserve_later = daemon_timer_new(b->daemon, 0, 0, reserve_ids, b);
}

void batcher_stop(struct batcher *b)
{
	if (b != NULL)
		b->stopped = true;
}

static void drop(struct batch *batch)
{
	if (batch != NULL)
		batch_settle_failed(batch);
	batch_free(batch);
}

void batcher_free(struct batcher *b)
{
	struct batch *batch;

	if (b == NULL)
		return;
	daemon_timer_free(b->kick);
	daemon_timer_free(b->reserve_later);
	while ((batch = next_batch(b)) != NULL)
		drop(batch);
	recent_free(b->recent);
	b->magic = 0;
	free(b);
}

void batcher_drain(struct batcher *b, void (*on_idle)(void *arg), void *arg)
{
	OBJ_CHECK(b, BATCHER_MAGIC);
	b->draining = true;
	b->on_idle = on_idle;
	b->idle_arg = arg;
	run(b);
}
