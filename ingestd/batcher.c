/*
 * The queue; see batcher.h. What waits are batches of one tenant each, PARCEL_BYTES large or as
 * large as the request; what lands is put together from them.
 *
 *   stage ─(taken)─▶ waiting[fast], waiting[careful] ─(a connection is idle)─▶ landing ─▶ settled
 *     └─(refused)─▶ settled as failed
 */
#include "ingestd/batcher.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/xalloc.h"
#include "common/zsock.h"
#include "ingestd/ident.h"
#include "ingestd/ingest_metrics.h"
#include "ingestd/landing.h"
#include "ingestd/recent.h"
#include "sql_gen.h"

#define BATCHER_MAGIC OBJ_MAGIC('B')
#define IDS_RESERVED  1024 /* batch ids kept ready */
#define IDS_LOW       256  /* fetch more */
#define IDS_SPARE     64   /* below: refuse at the door */
#define ROW_MEMORY    768  /* of an event besides its body, as a rule */
#define EVENT_MAX     ((size_t)1 << 20)
#define PARCEL_BYTES  ((size_t)32 << 10)
#define TURN_BYTES    ((size_t)128 << 10) /* of a tenant in one batch, while others are about */
#define SHARED_US     1000000             /* how long others are about after they had something */
#define PARALLEL_BYTES                                                            \
	((size_t)512 << 10) /* that wait: another connection lands them meanwhile \
			     */
#define CAREFUL_EVERY    4  /* a careful batch costs more: they gather while others wait, too */
#define PATIENCE_MS      20
#define ROOM_LISTENERS   4
#define TRIM_BYTES       ((size_t)32 << 20) /* landed: the heap has grown */
#define TRIM_PAD         ((size_t)4 << 20)
#define TRIM_US          5000000
#define RESERVE_RETRY_MS 250
#define RESOURCES_MS     2000 /* the door stays shut after the disk was full */

enum lane { LANE_FAST, LANE_CAREFUL, LANE_COUNT };
_Static_assert((int)LANE_COUNT == SHARE_FLOWS, "a tenant waits in each lane");

struct batcher {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *pool;
	struct batcher_options options;
	struct recent *recent;
	struct shares shares;
	/* the request that is being read */
	struct fair_item *stage, **stage_tail;
	struct submission_refusal refusal;
	/* what was taken */
	struct fairqueue waiting[LANE_COUNT];
	size_t waiting_bytes;
	unsigned turns;          /* of the lanes */
	struct fair_item *again; /* halves of a refused batch, to be landed next */
	int64_t shared_until_us; /* several tenants are about */
	int in_flight;
	int64_t began_us; /* the last landing */
	int64_t trimmed_us;
	size_t landed_bytes;       /* since then */
	int64_t ids[IDS_RESERVED]; /* reserved batch ids: the first nids, the last is next */
	size_t nids;
	char wanted[24];
	bool reserving, draining, stopped;
	bool exhausted; /* the warehouse said so lately: no disk, memory or connections (class 53)
			 */
	struct daemon_timer *kick, *patience, *reserve_later, *resources;
	void (*on_idle)(void *arg);
	void *idle_arg;
	struct {
		void (*fn)(void *arg);
		void *arg;
	} listeners[ROOM_LISTENERS];
	size_t nlisteners;
	struct ingest_metrics metrics;
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

/* ---- on stage */

static struct batch *batch_of(struct fair_item *item)
{
	return (struct batch *)((char *)item - offsetof(struct batch, turn));
}

static struct shares_limits limits(const struct batcher *b)
{
	const struct ingestd_config *conf = b->options.conf;

	return (struct shares_limits){
		.queue = {(size_t)conf->queue_bytes, (size_t)conf->queue_events},
		.rate = (double)conf->tenant_rate,
		.burst = (double)(conf->tenant_burst > 0 ? conf->tenant_burst : conf->tenant_rate),
	};
}

enum batcher_door batcher_door(const struct batcher *b, size_t bytes)
{
	struct shares_limits l = limits(b);

	if (!pgpool_up(b->pool) || b->nids < IDS_SPARE || b->draining || b->exhausted)
		return BATCHER_UNAVAILABLE;
	return shares_room(&b->shares, bytes, &l) ? BATCHER_OPEN : BATCHER_FULL;
}

void batcher_on_room(struct batcher *b, void (*fn)(void *arg), void *arg)
{
	ASSERT(b->nlisteners < ROOM_LISTENERS);
	b->listeners[b->nlisteners].fn = fn;
	b->listeners[b->nlisteners++].arg = arg;
}

/* The open batch of the tenant on stage, with the use charged to it; NULL: refused. */
static struct batch *stage(struct batcher *b, struct slice tenant_id, enum lane lane, size_t bytes)
{
	struct shares_limits l = limits(b);
	struct share_use use = {bytes + ROW_MEMORY, 1};
	struct share *share;
	struct batch *batch;
	enum share_verdict verdict;

	if (b->refusal.by != LIMIT_NONE)
		return NULL;
	share = shares_stage(&b->shares, tenant_id, &l, clock_mono_us());
	verdict = shares_ask(&b->shares, share, use, &l);
	if (verdict != SHARE_GRANTED) {
		b->refusal = verdict == SHARE_FULL
				     ? (struct submission_refusal){LIMIT_QUEUE,
								   (int64_t)l.queue.bytes, 1}
				     : (struct submission_refusal){LIMIT_RATE, (int64_t)l.rate,
								   shares_wait_s(share, &l)};
		return NULL;
	}
	shares_add(share, use);
	batch = share->open[lane];
	if (batch == NULL || batch_bytes(batch) >= PARCEL_BYTES) {
		batch = batch_new(lane == LANE_CAREFUL,
				  2 * (size_t)b->options.conf->batch_bytes + 16 * EVENT_MAX);
		share->open[lane] = batch;
		*b->stage_tail = &batch->turn;
		b->stage_tail = &batch->turn.next;
	}
	batch_charge(batch, share, use);
	return batch;
}

void batcher_add_event(struct batcher *b, struct submission *owner, uint32_t index,
		       const struct event *ev, struct slice body, struct slice attributes,
		       int64_t received_us)
{
	uint64_t recent = recent_hash(ev->tenant_id, ev->dedupe_key);
	enum lane lane = recent_seen(b->recent, recent) ? LANE_CAREFUL : LANE_FAST;
	struct batch *batch = stage(b, ev->tenant_id, lane, body.len + attributes.len);

	if (batch == NULL) {
		if (lane == LANE_FAST)
			recent_forget(b->recent, recent);
		return;
	}
	ingest_metrics_received(&b->metrics, received_us - ev->occurred_at_us,
				lane == LANE_CAREFUL);
	batch_add_event(batch, owner, index, ev, body, attributes, received_us);
	batch->items[batch->nitems - 1].recent = recent;
}

void batcher_add_dead_letter(struct batcher *b, struct submission *owner, uint32_t index,
			     const struct dead_letter *d)
{
	/* whatever names no tenant waits in one queue, lest invented ones get a share each */
	struct slice tenant_id = ident_is_tenant(d->tenant_id) ? d->tenant_id
							       : (struct slice){"", 0};
	struct batch *batch = stage(b, tenant_id, LANE_FAST, d->body.len + d->attributes.len);

	if (batch != NULL)
		batch_add_dead_letter(batch, owner, index, d);
}

static void clear_stage(struct batcher *b)
{
	b->stage = NULL;
	b->stage_tail = &b->stage;
	b->refusal = (struct submission_refusal){LIMIT_NONE, 0, 0};
}

void batcher_drop(struct batcher *b)
{
	struct shares_limits l = limits(b);

	for (struct fair_item *item = b->stage, *next; item != NULL; item = next) {
		struct batch *batch = batch_of(item);

		next = item->next;
		for (size_t i = 0; i < batch->nitems && !batch->careful; i++)
			recent_forget(b->recent, batch->items[i].recent);
		batch_settle_failed(batch);
		batch_free(batch);
	}
	shares_drop(&b->shares, &l);
	clear_stage(b);
}

void batcher_take(struct batcher *b, struct submission *owner)
{
	struct shares_limits l = limits(b);

	OBJ_CHECK(b, BATCHER_MAGIC);
	if (b->refusal.by != LIMIT_NONE) {
		submission_refuse(owner, b->refusal);
		batcher_drop(b);
		return;
	}
	for (struct fair_item *item = b->stage, *next; item != NULL; item = next) {
		struct batch *batch = batch_of(item);
		enum lane lane = batch->careful ? LANE_CAREFUL : LANE_FAST;

		next = item->next;
		item->cost = batch_bytes(batch);
		b->waiting_bytes += item->cost;
		fairqueue_push(&b->waiting[lane], &batch->charges[0].share->flows[lane], item);
	}
	shares_take(&b->shares, &l);
	clear_stage(b);
	ingest_metrics_queue(&b->metrics, b->shares.held);
	if (b->shares.holders > 1)
		b->shared_until_us = clock_mono_us() + SHARED_US;
	batcher_kick(b);
}

/* ---- landing */

/* Gives back what the batch's tenants hold with it, and frees it. */
static void done(struct batcher *b, struct batch *batch)
{
	struct shares_limits l = limits(b);

	for (size_t i = 0; i < batch->ncharges; i++)
		shares_return(&b->shares, batch->charges[i].share, batch->charges[i].use, &l);
	batch_free(batch);
}

static void fail(struct batcher *b, struct batch *batch)
{
	batch_settle_failed(batch);
	done(b, batch);
}

static void land_next(struct batcher *b, struct batch *batch)
{
	batch->turn.next = b->again;
	b->again = &batch->turn;
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
		land_next(b, half);
	} else { /* no id for the other half: the callers send again */
		fail(b, batch);
		return;
	}
	land_next(b, batch);
}

/* Nothing tells when there is room again but another attempt: after a while the door opens for one,
 * and the next failure shuts it again. */
static void note_exhausted(struct batcher *b, const struct err *e)
{
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

static void tell_room(struct batcher *b)
{
	for (size_t i = 0; i < b->nlisteners && batcher_door(b, 0) == BATCHER_OPEN; i++)
		b->listeners[i].fn(b->listeners[i].arg);
}

static void try_again(void *arg)
{
	struct batcher *b = arg;

	b->exhausted = false;
	daemon_condition(b->daemon, "warehouse resources", true, "");
	tell_room(b);
}

/* What a burst needed goes back to the system after it: glibc keeps what lies below the last block.
 */
static void trim_when_idle(struct batcher *b)
{
	int64_t now = clock_mono_us();

	if (b->shares.held.events > 0 || b->landed_bytes < TRIM_BYTES ||
	    now - b->trimmed_us < TRIM_US)
		return;
	(void)malloc_trim(TRIM_PAD);
	b->trimmed_us = now;
	b->landed_bytes = 0;
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
		b->landed_bytes += batch_bytes(batch);
		note_report(b, batch, r);
		done(b, batch);
	}
	run(b);
	tell_room(b);
	trim_when_idle(b);
}

static void on_conn(void *arg, struct pgconn *c, const struct err *e)
{
	struct batch *batch = arg;
	struct batcher *b = batch->batcher;

	OBJ_CHECK(b, BATCHER_MAGIC);
	if (c == NULL) {
		b->in_flight--;
		log_error("batch not landed", LOG_S("error", e->msg));
		fail(b, batch);
		run(b);
		return;
	}
	batch->conn = c;
	landing_start(c, batch, b->options.conf->land_timeout, on_landed, b);
}

/* What is to land next of a lane, as a chain: a round, or more while nobody else is about. */
static struct fair_item *gather(struct batcher *b, enum lane lane, size_t *ret_bytes)
{
	const struct ingestd_config *conf = b->options.conf;
	struct fairqueue *q = &b->waiting[lane];
	bool shared = clock_mono_us() < b->shared_until_us;
	struct fair_item *chain = NULL, **tail = &chain, *item;
	size_t bytes = 0, events = 0;

	while (bytes < (size_t)conf->batch_bytes && events < (size_t)conf->batch_events) {
		item = fairqueue_pop(q);
		if (item == NULL) {
			if (q->flows == 0 || (shared && chain != NULL))
				break;
			fairqueue_next_round(q);
			continue;
		}
		*tail = item;
		tail = &item->next;
		*tail = NULL;
		bytes += item->cost;
		events += batch_of(item)->nitems + batch_of(item)->ndead;
	}
	b->waiting_bytes -= bytes;
	*ret_bytes = bytes;
	return chain;
}

/* The next batch to land; NULL: nothing waits. */
static struct batch *next_batch(struct batcher *b)
{
	struct fair_item *item = b->again, *next;
	struct batch *batch;
	enum lane lane;
	size_t bytes;

	if (item != NULL) {
		b->again = item->next;
		return batch_of(item);
	}
	lane = b->turns++ % CAREFUL_EVERY == 0 ? LANE_CAREFUL : LANE_FAST;
	item = gather(b, lane, &bytes);
	if (item == NULL)
		item = gather(b, lane == LANE_FAST ? LANE_CAREFUL : LANE_FAST, &bytes);
	if (item == NULL)
		return NULL;
	batch = batch_of(item);
	next = item->next;
	if (next != NULL)
		strbuf_reserve(&batch->rows, bytes);
	while ((item = next) != NULL) {
		next = item->next;
		batch_absorb(batch, batch_of(item));
	}
	return batch;
}

/* One connection after the other makes larger groups of small events, and so more of them a second;
 * a further one is for what is large by itself, and for when the others are stuck. */
static bool is_due(struct batcher *b)
{
	if (b->in_flight == 0 || b->again != NULL || b->waiting_bytes >= PARALLEL_BYTES ||
	    clock_mono_us() - b->began_us >= PATIENCE_MS * 1000)
		return true;
	if (b->waiting_bytes > 0)
		daemon_timer_arm(b->patience, PATIENCE_MS);
	return false;
}

static void run(struct batcher *b)
{
	struct batch *batch;

	while (!b->stopped && b->in_flight < (int)b->options.conf->landing_connections &&
	       b->nids > 0 && is_due(b) && (batch = next_batch(b)) != NULL) {
		b->began_us = clock_mono_us();
		if (batch->batch_id == 0)
			batch_assign_id(batch, take_id(b));
		b->in_flight++;
		batch->batcher = b;
		(void)pgpool_acquire(b->pool, NULL, on_conn, batch);
	}
	ingest_metrics_queue(&b->metrics, b->shares.held);
	if (b->draining && b->in_flight == 0 && b->shares.held.events == 0 && b->on_idle != NULL) {
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
	b->recent = recent_new((size_t)o->conf->recent_ids);
	shares_init(&b->shares);
	for (int lane = 0; lane < LANE_COUNT; lane++)
		fairqueue_init(&b->waiting[lane], TURN_BYTES);
	clear_stage(b);
	ingest_metrics_init(&b->metrics);
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
	while ((batch = next_batch(b)) != NULL)
		fail(b, batch);
	shares_clear(&b->shares);
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
