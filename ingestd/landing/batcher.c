/*
 * Landing what waits (queue.c), on connections of the pool; see batcher.h.
 *
 *   queue ─(a connection is idle)─▶ landing ─▶ settled, or split and landed again
 */
#include "ingestd/landing/batcher.h"

#include <errno.h>
#include <malloc.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "common/net/zsock.h"
#include "ingestd/ingest_metrics.h"
#include "ingestd/landing/landing.h"
#include "ingestd/landing/queue.h"
#include "sql_gen.h"

#define BATCHER_MAGIC OBJ_MAGIC('B')
#define IDS_RESERVED  1024 /* batch ids kept ready */
#define IDS_LOW       256  /* fetch more */
#define IDS_SPARE     64   /* below: refuse at the door */
/* that wait: another connection lands them meanwhile */
#define PARALLEL_BYTES   ((size_t)512 << 10)
#define GROUP_BYTES      ((size_t)16 << 10) /* a commit costs as much as some 20 events */
#define GROUP_PART       4
#define PATIENCE_MS      20
#define TRIM_BYTES       ((size_t)32 << 20) /* landed: the heap has grown */
#define TRIM_PAD         ((size_t)4 << 20)
#define TRIM_US          5000000
#define RESERVE_RETRY_MS 250
#define RESOURCES_MS     2000 /* the door stays shut after the disk was full */

struct batcher {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *pool;
	struct batcher_options options;
	struct queue queue;
	int in_flight;         /* landings, */
	bool quiet_lands;      /* one of them is of quiet tenants */
	struct batch *landing; /* those of them that have their connection */
	int64_t began_us;      /* the last landing */
	int64_t trimmed_us;
	size_t landed_bytes;       /* since then */
	int64_t ids[IDS_RESERVED]; /* reserved batch ids: a ring of nids, from next_id on */
	size_t next_id, nids;
	char wanted[24];
	bool reserving, draining, stopped;
	bool exhausted; /* no disk, memory or connections (class 53) a moment ago */
	struct daemon_timer *kick, *patience, *reserve_later, *resources;
	void (*on_idle)(void *arg);
	void *idle_arg;
	struct ingest_metrics metrics;
};

static void run(struct batcher *b);

/* ---- batch ids, reserved in blocks so that rows can name their batch without a round trip */

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
		b->ids[(b->next_id + b->nids++) % IDS_RESERVED] = pgresult_i64(r, 0, row, 0);
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

/* In ascending order: etld takes batches by their ids, oldest first, and an index on them grows at
 * its end. */
static int64_t take_id(struct batcher *b)
{
	int64_t id = b->ids[b->next_id];

	ASSERT(b->nids > 0);
	b->next_id = (b->next_id + 1) % IDS_RESERVED;
	b->nids--;
	if (b->nids < IDS_LOW && !b->reserving)
		daemon_timer_arm(b->reserve_later, 0);
	return id;
}

/* ---- the door */

enum batcher_door batcher_door(const struct batcher *b, size_t bytes)
{
	if (!pgpool_up(b->pool) || b->nids < IDS_SPARE || b->draining || b->exhausted)
		return BATCHER_UNAVAILABLE;
	return queue_room(&b->queue, bytes) ? BATCHER_OPEN : BATCHER_FULL;
}

void batcher_expect(const struct batcher *b, const struct event *ev)
{
	queue_expect(&b->queue, ev);
}

void batcher_add_event(struct batcher *b, struct submission *owner, uint32_t index,
		       const struct event *ev, struct slice body, struct slice attributes,
		       int64_t received_us)
{
	queue_add_event(&b->queue, owner, index, ev, body, attributes, received_us);
}

void batcher_add_dead_letter(struct batcher *b, struct submission *owner, uint32_t index,
			     const struct dead_letter *d)
{
	queue_add_dead_letter(&b->queue, owner, index, d);
}

void batcher_take(struct batcher *b, struct submission *owner)
{
	OBJ_CHECK(b, BATCHER_MAGIC);
	queue_take(&b->queue, owner);
	batcher_kick(b);
}

void batcher_drop(struct batcher *b)
{
	queue_drop(&b->queue);
}

/* ---- landing */

static void fail(struct batcher *b, struct batch *batch)
{
	batch_settle_failed(batch);
	queue_done(&b->queue, batch);
}

/* Postgres refused a row that our reader let pass: halve the batch until the row stands alone, then
 * keep it as a dead letter, so that one event cannot stop the others. */
static void isolate(struct batcher *b, struct batch *batch, const struct err *e)
{
	struct batch *half;

	if (batch->nitems == 1) {
		log_error("event refused by the warehouse", LOG_S("error", e->msg));
		batch_refuse_only(batch, e->msg);
	} else if (b->nids > 0) {
		half = batch_split(batch);
		batch_assign_id(half, take_id(b));
		queue_again(&b->queue, half);
	} else { /* no id for the other half: the callers send again */
		fail(b, batch);
		return;
	}
	queue_again(&b->queue, batch);
}

/* Nothing tells when there is room again but another attempt: after a while the door opens for one,
 * and the next failure shuts it again. */
static void note_exhausted(struct batcher *b, const struct err *e)
{
	ASSERT(e != NULL);
	if (strncmp(e->sqlstate, "53", 2) != 0)
		return;
	b->exhausted = true;
	daemon_condition(b->daemon, "warehouse resources", false,
			 "it ran out of disk, memory or connections");
	daemon_timer_arm(b->resources, RESOURCES_MS);
}

static void note_report(struct batcher *b, const struct batch *batch,
			const struct landing_report *r)
{
	if (r->end == LANDING_FAILED) {
		log_error("batch not landed", LOG_S("error", r->err->msg),
			  LOG_S("sqlstate", r->err->sqlstate));
		note_exhausted(b, r->err);
		return;
	}
	ingest_metrics_landed(&b->metrics, batch, r);
	if (r->accepted > 0 && b->options.hints != NULL)
		(void)zsock_send(b->options.hints, &SLICE_LIT("landed"), 1);
}

static void try_again(void *arg)
{
	struct batcher *b = arg;

	b->exhausted = false;
	daemon_condition(b->daemon, "warehouse resources", true, "");
}

/* What a burst needed goes back to the system after it: glibc keeps what lies below the last block.
 */
static void trim_when_idle(struct batcher *b)
{
	int64_t now = clock_mono_us();

	if (b->queue.shares.held.events > 0 || b->landed_bytes < TRIM_BYTES ||
	    now - b->trimmed_us < TRIM_US)
		return;
	(void)malloc_trim(TRIM_PAD);
	b->trimmed_us = now;
	b->landed_bytes = 0;
}

static void leave_landing(struct batcher *b, struct batch *batch)
{
	struct batch **at = &b->landing;

	while (*at != batch)
		at = &(*at)->next_landing;
	*at = batch->next_landing;
}

void batcher_breathe(struct batcher *b)
{
	OBJ_CHECK(b, BATCHER_MAGIC);
	for (struct batch *batch = b->landing, *next; batch != NULL; batch = next) {
		next = batch->next_landing; /* this one may end; what begins comes before it */
		pgconn_move(batch->conn);
	}
}

static void leave_flight(struct batcher *b, struct batch *batch)
{
	b->in_flight--;
	b->quiet_lands &= !batch->quiet;
	batch->quiet = false;
}

static void on_landed(void *arg, struct batch *batch, const struct landing_report *r)
{
	struct batcher *b = arg;

	OBJ_CHECK(b, BATCHER_MAGIC);
	leave_landing(b, batch);
	pgpool_release(b->pool, batch->conn);
	batch->conn = NULL;
	leave_flight(b, batch);
	if (r->end == LANDING_REFUSED) {
		isolate(b, batch, r->err);
	} else {
		b->landed_bytes += batch_bytes(batch);
		note_report(b, batch, r);
		queue_done(&b->queue, batch);
	}
	run(b);
	trim_when_idle(b);
}

static void on_conn(void *arg, struct pgconn *c, const struct err *e)
{
	struct batch *batch = arg;
	struct batcher *b = batch->batcher;

	OBJ_CHECK(b, BATCHER_MAGIC);
	if (c == NULL) {
		leave_flight(b, batch);
		log_error("batch not landed", LOG_S("error", e->msg));
		fail(b, batch);
		run(b);
		return;
	}
	batch->conn = c;
	batch->next_landing = b->landing;
	b->landing = batch;
	landing_start(c, batch, b->options.conf->land_timeout, on_landed, b);
}

/* Worth a commit of its own beside those under way: large by itself, or a quarter of all that is
 * not settled. Senders that wait for an answer would else all wait for one commit, and the
 * processors with them. */
static bool is_group(const struct queue *q)
{
	return q->waiting_bytes >= PARALLEL_BYTES ||
	       (q->waiting_bytes >= GROUP_BYTES &&
		q->waiting_bytes >= q->shares.held.bytes / GROUP_PART);
}

/* One connection after the other makes larger groups of small events, and so more of them a second;
 * a further one is for what is a group already, and for when the others are stuck. While quiet
 * tenants are about, one connection is left to them. */
static bool is_due(struct batcher *b)
{
	int landing = b->in_flight - b->quiet_lands,
	    most = (int)b->options.conf->landing_connections;

	if (landing > 0 && landing >= most - queue_has_quiet(&b->queue))
		return false;
	if (landing == 0 || b->queue.again != NULL || is_group(&b->queue) ||
	    clock_mono_us() - b->began_us >= PATIENCE_MS * 1000)
		return true;
	if (b->queue.waiting_bytes > 0)
		daemon_timer_arm(b->patience, PATIENCE_MS);
	return false;
}

static struct batch *next(struct batcher *b)
{
	struct batch *batch = b->quiet_lands ? NULL : queue_next_quiet(&b->queue);

	if (batch != NULL) {
		batch->quiet = b->quiet_lands = true;
		return batch;
	}
	batch = is_due(b) ? queue_next(&b->queue) : NULL;
	if (batch != NULL)
		b->began_us = clock_mono_us();
	return batch;
}

static void run(struct batcher *b)
{
	struct batch *batch;

	while (!b->stopped && b->in_flight < (int)b->options.conf->landing_connections &&
	       b->nids > 0 && (batch = next(b)) != NULL) {
		if (batch->batch_id == 0)
			batch_assign_id(batch, take_id(b));
		b->in_flight++;
		batch->batcher = b;
		(void)pgpool_acquire(b->pool, NULL, on_conn, batch);
	}
	ingest_metrics_queue(&b->metrics, b->queue.shares.held);
	if (b->draining && b->in_flight == 0 && b->queue.shares.held.events == 0 &&
	    b->on_idle != NULL) {
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

struct batcher *batcher_new(struct daemon *d, struct pgpool *warehouse,
			    const struct batcher_options *o)
{
	struct batcher *b = xcalloc(1, sizeof(*b));

	b->magic = BATCHER_MAGIC;
	b->daemon = d;
	b->pool = warehouse;
	b->options = *o;
	ingest_metrics_init(&b->metrics);
	queue_init(&b->queue, o->conf, &b->metrics);
	daemon_condition(d, "batch ids", false, "not reserved yet");
	b->kick = daemon_timer_new(d, 0, 0, on_kick, b);
	b->patience = daemon_timer_new(d, PATIENCE_MS, 0, on_kick, b);
	b->resources = daemon_timer_new(d, 0, 0, try_again, b);
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

void batcher_free(struct batcher *b)
{
	struct batch *batch;

	if (b == NULL)
		return;
	daemon_timer_free(b->kick);
	daemon_timer_free(b->patience);
	daemon_timer_free(b->resources);
	daemon_timer_free(b->reserve_later);
	while ((batch = queue_next_quiet(&b->queue)) != NULL ||
	       (batch = queue_next(&b->queue)) != NULL)
		fail(b, batch);
	queue_clear(&b->queue);
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
