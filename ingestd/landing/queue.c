/*
 * The queue; see queue.h. What waits are batches of one tenant each, PARCEL_BYTES large or as large
 * as the request; what lands is put together from them.
 *
 *   stage ─(taken)─▶ waiting[fast, quiet, careful] ─(next)─▶ the batch that lands
 *     │ └─▶ held ─(the rest of the request is settled)─▶ waiting[careful]
 *     └─(refused, dropped)─▶ settled as failed
 *
 * Of two events of a request with one id and different content the first is the event and the other
 * the conflict. The set of recent ids makes the second a suspect; so suspects wait for the rest of
 * their request, and careful batches land one after the other.
 *
 * While one tenant has a good part of the queue, those that have little beside it are quiet: their
 * requests need not wait for the commit of a large batch before theirs, and land by themselves,
 * those of all quiet ones together. Else nobody is: all share large batches, which take fewer
 * commits.
 */
#include "ingestd/landing/queue.h"

#include <stddef.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "ingestd/landing/control.h"
#include "ingestd/landing/recent.h"
#include "ingestd/reading/ident.h"

#define ROW_MEMORY    768 /* of an event besides its body, as a rule */
#define EVENT_MAX     ((size_t)1 << 20)
#define PARCEL_BYTES  ((size_t)32 << 10)
#define TURN_BYTES    ((size_t)128 << 10) /* of a tenant in one round */
#define SHARED_BYTES  ((size_t)1 << 20)   /* of a batch: no further round while others are about, */
#define BESIDE_BYTES  TURN_BYTES /* or quiet ones, whose commit shares disk and CPU with it */
#define SHARED_US     1000000    /* how long others are about after they had something */
#define LOUD_PART     4          /* of the queue: who has this part of it is loud */
#define QUIET_TIMES   16         /* what he has, to what a quiet tenant has */
#define QUIET_BESIDE  TURN_BYTES /* less than that nobody waits long for */
#define QUIET_CROWD   ((size_t)256 << 10) /* of quiet tenants, that waits: they take their turns */
#define CAREFUL_EVERY 4 /* a careful batch costs more: they gather while others wait, too */

enum lane { LANE_FAST, LANE_QUIET, LANE_CAREFUL, LANE_COUNT };
_Static_assert((int)LANE_COUNT == SHARE_FLOWS, "a tenant waits in each lane");

/* The suspects of a request. The submission stays open for them. */
struct held {
	struct held *next;
	struct submission *owner;
	struct fair_item *parcels;
	size_t events;
};

static struct batch *batch_of(struct fair_item *item)
{
	return (struct batch *)((char *)item - offsetof(struct batch, turn));
}

static struct shares_limits limits(const struct queue *q)
{
	const struct ingestd_config *conf = q->conf;

	return (struct shares_limits){
		.queue = {(size_t)conf->queue_bytes, (size_t)conf->queue_events},
		.rate = (double)conf->tenant_rate,
		.burst = (double)(conf->tenant_burst > 0 ? conf->tenant_burst : conf->tenant_rate),
	};
}

/* ---- on stage */

/* The open batch of the tenant on stage, with the use charged to it; NULL: refused. */
static struct batch *stage(struct queue *q, struct slice tenant_id, enum lane lane, size_t bytes)
{
	struct shares_limits l = limits(q);
	struct share_use use = {bytes + ROW_MEMORY, 1};
	struct share *share;
	struct batch *batch;
	enum share_verdict verdict;

	if (q->refusal.by != LIMIT_NONE)
		return NULL;
	share = shares_stage(&q->shares, tenant_id, &l, clock_mono_us());
	verdict = shares_ask(&q->shares, share, use, &l);
	if (verdict != SHARE_GRANTED) {
		q->refusal = verdict == SHARE_FULL
				     ? (struct submission_refusal){LIMIT_QUEUE,
								   (int64_t)l.queue.bytes, 1}
				     : (struct submission_refusal){LIMIT_RATE, (int64_t)l.rate,
								   shares_wait_s(share, &l)};
		return NULL;
	}
	shares_add(share, use);
	batch = share->open[lane];
	if (batch == NULL || batch_bytes(batch) >= PARCEL_BYTES) {
		const struct batch *full = batch;

		batch = batch_new(lane == LANE_CAREFUL,
				  2 * (size_t)q->conf->batch_bytes + 16 * EVENT_MAX);
		if (full != NULL) /* of a large request: so will be the next */
			batch_reserve(batch, full);
		share->open[lane] = batch;
		*q->stage_tail = &batch->turn;
		q->stage_tail = &batch->turn.next;
	}
	batch_charge(batch, share, use);
	return batch;
}

void queue_expect(const struct queue *q, const struct event *ev)
{
	recent_expect(q->recent, recent_hash(ev->tenant_id, ev->dedupe_key));
}

void queue_add_event(struct queue *q, struct submission *owner, uint32_t index,
		     const struct event *ev, struct slice body, struct slice attributes,
		     int64_t received_us)
{
	uint64_t recent = recent_hash(ev->tenant_id, ev->dedupe_key);
	bool seen = recent_seen(q->recent, recent);
	enum lane lane = seen || control_buries(ev) ||
					 tombstones_maybe(&q->tombstones, ev->tenant_id)
				 ? LANE_CAREFUL
				 : LANE_FAST;
	struct batch *batch = stage(q, ev->tenant_id, lane, body.len + attributes.len);

	if (batch == NULL) {
		if (!seen)
			recent_forget(q->recent, recent);
		return;
	}
	ingest_metrics_received(q->metrics, received_us - ev->occurred_at_us, seen);
	batch_add_event(batch, owner, index, ev, body, attributes, received_us);
	batch->items[batch->nitems - 1].recent = recent;
}

void queue_add_dead_letter(struct queue *q, struct submission *owner, uint32_t index,
			   const struct dead_letter *d)
{
	/* whatever names no tenant waits in one queue, lest invented ones get a share each */
	struct slice tenant_id = ident_is_tenant(d->tenant_id) ? d->tenant_id
							       : (struct slice){"", 0};
	struct batch *batch = stage(q, tenant_id, LANE_FAST, d->body.len + d->attributes.len);

	if (batch != NULL)
		batch_add_dead_letter(batch, owner, index, d);
}

static void clear_stage(struct queue *q)
{
	q->stage = NULL;
	q->stage_tail = &q->stage;
	q->refusal = (struct submission_refusal){LIMIT_NONE, 0, 0};
}

void queue_drop(struct queue *q)
{
	struct shares_limits l = limits(q);

	for (struct fair_item *item = q->stage, *next; item != NULL; item = next) {
		struct batch *batch = batch_of(item);

		next = item->next;
		for (size_t i = 0; i < batch->nitems && !batch->careful; i++)
			recent_forget(q->recent, batch->items[i].recent);
		batch_settle_failed(batch);
		batch_free(batch);
	}
	shares_drop(&q->shares, &l);
	clear_stage(q);
}

static bool is_quiet(const struct queue *q, const struct share *one)
{
	const struct shares *s = &q->shares;
	size_t loudest = s->loudest != NULL ? s->loudest->held.bytes : 0;

	return q->conf->landing_connections > 1 && loudest >= QUIET_BESIDE &&
	       loudest >= s->held.bytes / LOUD_PART &&
	       (one->held.bytes + one->staged.bytes) * QUIET_TIMES <= loudest;
}

/* A request with anything of another tenant is answered after that, wherever the rest lands. */
static bool stage_is_quiet(const struct queue *q)
{
	for (struct fair_item *item = q->stage; item != NULL; item = item->next) {
		if (!is_quiet(q, batch_of(item)->charges[0].share))
			return false;
	}
	return true;
}

static void enter(struct queue *q, struct fair_item *item, enum lane lane)
{
	struct batch *batch = batch_of(item);

	if (batch->careful)
		lane = LANE_CAREFUL;
	item->cost = batch_bytes(batch);
	q->waiting_bytes += item->cost;
	if (lane == LANE_QUIET) {
		q->quiet_bytes += item->cost;
		q->quiet_until_us = clock_mono_us() + SHARED_US;
	}
	fairqueue_push(&q->waiting[lane], &batch->charges[0].share->flows[lane], item);
}

/* Takes the suspects off the stage and keeps them, when there is anything else in the request. */
static void hold_suspects(struct queue *q, struct submission *owner)
{
	struct held h = {.owner = owner, .next = q->held};
	struct fair_item **at = &q->stage, **tail = &h.parcels, *item;

	while ((item = *at) != NULL) {
		if (!batch_of(item)->careful) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		*tail = item;
		tail = &item->next;
		h.events += batch_of(item)->nitems;
	}
	*tail = NULL;
	if (q->stage == NULL || h.parcels == NULL) {
		*at = h.parcels;
		return;
	}
	q->held = xmalloc(sizeof(h));
	*q->held = h;
}

void queue_take(struct queue *q, struct submission *owner)
{
	struct shares_limits l = limits(q);
	enum lane lane = stage_is_quiet(q) ? LANE_QUIET : LANE_FAST;

	if (q->refusal.by != LIMIT_NONE) {
		submission_refuse(owner, q->refusal);
		queue_drop(q);
		return;
	}
	hold_suspects(q, owner);
	for (struct fair_item *item = q->stage, *next; item != NULL; item = next) {
		next = item->next;
		enter(q, item, lane);
	}
	shares_take(&q->shares, &l);
	clear_stage(q);
	ingest_metrics_queue(q->metrics, q->shares.held);
	if (q->shares.holders > 1)
		q->shared_until_us = clock_mono_us() + SHARED_US;
}

/* ---- landing */

static struct fair_item *pop(struct queue *q, enum lane lane)
{
	struct fair_item *item = fairqueue_pop(&q->waiting[lane]);

	if (item == NULL && lane == LANE_FAST && q->quiet_bytes > QUIET_CROWD) {
		lane = LANE_QUIET;
		item = fairqueue_pop(&q->waiting[lane]);
	}
	if (item != NULL && lane == LANE_QUIET)
		q->quiet_bytes -= item->cost;
	return item;
}

/* What is to land next of a lane, as a chain: rounds until the batch is full. While others are
 * about it is full early, so that nobody waits long for the commit before his: large enough that a
 * commit costs little beside its rows, no larger. */
static struct fair_item *gather(struct queue *q, enum lane lane, size_t *ret_bytes)
{
	const struct ingestd_config *conf = q->conf;
	struct fairqueue *fair = &q->waiting[lane];
	bool shared = clock_mono_us() < q->shared_until_us;
	size_t enough = queue_has_quiet(q) ? BESIDE_BYTES : SHARED_BYTES;
	struct fair_item *chain = NULL, **tail = &chain, *item;
	size_t bytes = 0, events = 0;

	*ret_bytes = 0;
	if (lane == LANE_CAREFUL && q->careful_lands)
		return NULL;
	while (bytes < (size_t)conf->batch_bytes && events < (size_t)conf->batch_events) {
		item = pop(q, lane);
		if (item == NULL) {
			if (fair->flows == 0 || (shared && bytes >= enough))
				break;
			fairqueue_next_round(fair);
			continue;
		}
		*tail = item;
		tail = &item->next;
		*tail = NULL;
		bytes += item->cost;
		events += batch_of(item)->nitems + batch_of(item)->ndead;
	}
	q->waiting_bytes -= bytes;
	*ret_bytes = bytes;
	return chain;
}

/* One batch of the chain. */
static struct batch *join(struct fair_item *item, size_t bytes)
{
	struct batch *batch = batch_of(item);
	struct fair_item *next = item->next;

	if (next != NULL)
		strbuf_reserve(&batch->rows, bytes);
	while ((item = next) != NULL) {
		next = item->next;
		batch_absorb(batch, batch_of(item));
	}
	return batch;
}

bool queue_has_quiet(const struct queue *q)
{
	return clock_mono_us() < q->quiet_until_us;
}

struct batch *queue_next_quiet(struct queue *q)
{
	size_t bytes;
	struct fair_item *item = gather(q, LANE_QUIET, &bytes);

	return item != NULL ? join(item, bytes) : NULL;
}

struct batch *queue_next(struct queue *q)
{
	struct fair_item *item = q->again;
	struct batch *batch;
	enum lane lane;
	size_t bytes;

	if (item != NULL && !(batch_of(item)->careful && q->careful_lands)) {
		q->again = item->next;
		q->careful_lands |= batch_of(item)->careful;
		return batch_of(item);
	}
	lane = q->turns++ % CAREFUL_EVERY == 0 ? LANE_CAREFUL : LANE_FAST;
	item = gather(q, lane, &bytes);
	if (item == NULL)
		item = gather(q, lane == LANE_FAST ? LANE_CAREFUL : LANE_FAST, &bytes);
	if (item == NULL)
		return NULL;
	batch = join(item, bytes);
	q->careful_lands |= batch->careful;
	return batch;
}

void queue_again(struct queue *q, struct batch *batch)
{
	if (batch->careful)
		q->careful_lands = false;
	batch->turn.next = q->again;
	q->again = &batch->turn;
}

/* Gives back what the batch's tenants hold with it, and frees it. The next events of tenants that
 * turned out to be deleted go the careful way at once, instead of failing a batch of others. */
static void give_back(struct queue *q, struct batch *batch)
{
	struct shares_limits l = limits(q);

	for (size_t i = 0; i < batch->ncharges; i++)
		shares_return(&q->shares, batch->charges[i].share, batch->charges[i].use, &l);
	for (size_t i = 0; i < batch->ndeltas; i++) {
		if (batch->deltas[i].outcomes[OUTCOME_DEAD_LETTER] > 0)
			tombstones_add(&q->tombstones, batch->deltas[i].tenant_id);
	}
	batch_free(batch);
}

/* The next suspects that need to be held no longer: all else of their request is settled. */
static struct held *take_held(struct queue *q)
{
	struct held **at = &q->held, *h;

	while ((h = *at) != NULL && h->owner->open > h->events)
		at = &h->next;
	if (h != NULL)
		*at = h->next;
	return h;
}

/* When the rest has failed, so have they: the whole request comes again. */
static void release_held(struct queue *q)
{
	struct held *h;

	while ((h = take_held(q)) != NULL) {
		bool failed = h->owner->failed;

		for (struct fair_item *item = h->parcels, *next; item != NULL; item = next) {
			next = item->next;
			if (failed) {
				batch_settle_failed(batch_of(item));
				give_back(q, batch_of(item));
			} else {
				enter(q, item, LANE_CAREFUL);
			}
		}
		free(h);
	}
}

void queue_done(struct queue *q, struct batch *batch)
{
	if (batch->careful)
		q->careful_lands = false;
	give_back(q, batch);
	release_held(q);
}

bool queue_room(const struct queue *q, size_t bytes)
{
	struct shares_limits l = limits(q);

	return shares_room(&q->shares, bytes, &l);
}

void queue_init(struct queue *q, const struct ingestd_config *conf, struct ingest_metrics *metrics)
{
	*q = (struct queue){.conf = conf, .metrics = metrics};
	q->recent = recent_new((size_t)conf->recent_ids);
	shares_init(&q->shares);
	for (int lane = 0; lane < LANE_COUNT; lane++)
		fairqueue_init(&q->waiting[lane], TURN_BYTES);
	clear_stage(q);
}

void queue_clear(struct queue *q)
{
	shares_clear(&q->shares);
	recent_free(q->recent);
}
