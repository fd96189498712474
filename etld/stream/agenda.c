/* The order of work; see agenda.h. */
#include "etld/stream/agenda.h"

#include <limits.h>
#include <stdio.h>

#include "common/base/backoff.h"
#include "common/base/xalloc.h"

#define AGENDA_TASKS_MAX 1024
#define CREDIT_MAX_US    5000000 /* a long quiet time is not saved up */

static const struct backoff rests[] = {
	[REST_TAKEN] = {.base_ms = 20, .cap_ms = 60},
	[REST_FAILED] = {.base_ms = 200, .cap_ms = 30000},
};

struct item {
	struct task task; /* of one shard, like those of the history */
	enum urgency urgency;
	int64_t events;
	bool given;
};

/* What is remembered of a task from look to look. */
struct history {
	struct task task;
	uint64_t served; /* the how many-th turn it was; 0: never */
	int64_t not_before_ms;
	int failures;
	enum rest_reason why;
	struct backoff backoff;
};

struct agenda {
	struct agenda_options options;
	int64_t portions_after_ms; /* the pause ends */
	uint64_t turns;
	int64_t credit_us, portion_us; /* owed to backfill; what a portion takes, about */
	size_t nitems, nhistory;
	struct item items[AGENDA_TASKS_MAX];
	struct history history[AGENDA_TASKS_MAX];
};

static bool same(struct task x, struct task y)
{
	return x.consumer == y.consumer && x.shards == y.shards && x.portions == y.portions;
}

/* Where t is in a->history; a->nhistory when it has no past. */
static size_t find(const struct agenda *a, struct task t)
{
	size_t i = 0;

	while (i < a->nhistory && !same(a->history[i].task, t))
		i++;
	return i;
}

static const struct history *past_of(const struct agenda *a, struct task t)
{
	static const struct history none;
	size_t i = find(a, t);

	return i < a->nhistory ? &a->history[i] : &none;
}

/* NULL when there are too many: such a task has no past. */
static struct history *remember(struct agenda *a, struct task t)
{
	size_t i = find(a, t);

	if (i == AGENDA_TASKS_MAX)
		return NULL;
	if (i == a->nhistory)
		a->history[a->nhistory++] = (struct history){.task = t};
	return &a->history[i];
}

struct agenda *agenda_new(const struct agenda_options *o)
{
	struct agenda *a = xcalloc(1, sizeof(*a));

	a->options = *o;
	return a;
}

void agenda_free(struct agenda *a)
{
	free(a);
}

void agenda_clear(struct agenda *a)
{
	a->nitems = 0;
}

void agenda_add(struct agenda *a, struct task t, enum urgency u, int64_t events)
{
	if (a->nitems < AGENDA_TASKS_MAX)
		a->items[a->nitems++] = (struct item){t, u, events, false};
}

size_t agenda_count(const struct agenda *a)
{
	return a->nitems;
}

bool agenda_hopeless(const struct agenda *a)
{
	for (size_t i = 0; i < a->nitems; i++) {
		if (past_of(a, a->items[i].task)->failures < AGENDA_HOPELESS)
			return false;
	}
	return a->nitems > 0;
}

/* The lock of a unit is that of its consumer and shard, whatever it takes. */
static bool may_run(const struct agenda *a, struct task t, const struct task *running,
		    size_t nrunning, int64_t now_ms)
{
	if (past_of(a, t)->not_before_ms > now_ms)
		return false;
	for (size_t i = 0; i < nrunning; i++) {
		if (running[i].consumer == t.consumer && (running[i].shards & t.shards) != 0)
			return false;
	}
	return true;
}

/* What is asked of an item. */
struct wish {
	enum urgency urgency;
	const struct consumer *consumer; /* NULL: any */
	int64_t events_max;
	bool sound; /* has not failed last */
};

/* The item to be served next among those that are as wished, or NULL. */
static struct item *longest_waiting(struct agenda *a, struct wish wish, const struct task *running,
				    size_t nrunning, int64_t now_ms)
{
	struct item *best = NULL;
	uint64_t best_served = UINT64_MAX;

	for (size_t i = 0; i < a->nitems; i++) {
		struct item *item = &a->items[i];
		const struct history *past;
		uint64_t served;

		if (item->given || item->urgency != wish.urgency ||
		    item->events > wish.events_max ||
		    (wish.consumer != NULL && wish.consumer != item->task.consumer))
			continue;
		past = past_of(a, item->task);
		served = past->served;
		if (wish.sound && past->failures > 0)
			continue;
		if (served < best_served && may_run(a, item->task, running, nrunning, now_ms)) {
			best = item;
			best_served = served;
		}
	}
	return best;
}

static void give(struct agenda *a, struct item *item)
{
	struct history *h = remember(a, item->task);

	item->given = true;
	if (h != NULL)
		h->served = ++a->turns;
}

/* Adds others like the item to the task that it is. What has failed goes alone: it may be to blame.
 */
static void join(struct agenda *a, const struct item *item, const struct task *running,
		 size_t nrunning, int64_t now_ms, struct task *ret)
{
	struct wish wish = {item->urgency, item->task.consumer, TASK_FEW - item->events, true};
	struct item *more;

	if (past_of(a, item->task)->failures > 0)
		return;
	for (int n = 1; n < a->options.together && wish.events_max > 0; n++) {
		more = longest_waiting(a, wish, running, nrunning, now_ms);
		if (more == NULL)
			return;
		give(a, more);
		ret->shards |= more->task.shards;
		wish.events_max -= more->events;
	}
}

bool agenda_next(struct agenda *a, const struct task *running, size_t nrunning, int64_t now_ms,
		 struct task *ret)
{
	const struct wish backfill = {URGENCY_BACKFILL, NULL, INT64_MAX, false};
	struct item *item = NULL;
	int portions = 0;
	bool may_fill, owed;

	for (size_t i = 0; i < nrunning; i++)
		portions += running[i].portions;
	may_fill = portions < a->options.portions_max && now_ms >= a->portions_after_ms;
	owed = a->credit_us > 0 && a->credit_us >= (portions + 1) * a->portion_us;
	if (may_fill && owed)
		item = longest_waiting(a, backfill, running, nrunning, now_ms);
	for (enum urgency u = URGENCY_HOT; item == NULL && u <= URGENCY_COLD; u++)
		item = longest_waiting(a, (struct wish){u, NULL, INT64_MAX, false}, running,
				       nrunning, now_ms);
	if (item == NULL && may_fill)
		item = longest_waiting(a, backfill, running, nrunning, now_ms);
	if (item == NULL)
		return false;
	give(a, item);
	*ret = item->task;
	if (!ret->portions)
		join(a, item, running, nrunning, now_ms, ret);
	return true;
}

void agenda_spent(struct agenda *a, struct task t, int64_t us, int64_t now_ms)
{
	if (t.portions) {
		a->portion_us = a->portion_us == 0 ? us : a->portion_us + (us - a->portion_us) / 4;
		a->credit_us = a->credit_us > us ? a->credit_us - us : 0;
		a->portions_after_ms = now_ms + a->options.pause_ms;
		return;
	}
	a->credit_us += us * a->options.share / (100 - a->options.share);
	if (a->credit_us > CREDIT_MAX_US + a->portion_us)
		a->credit_us = CREDIT_MAX_US + a->portion_us;
}

/* One shard after the other of t. */
static bool next_shard(struct task t, struct task *one)
{
	uint64_t left = t.shards & ~(one->shards | (one->shards - 1));

	if (one->shards == 0)
		left = t.shards;
	*one = t;
	one->shards = left & -left;
	return left != 0;
}

const char *task_shards(struct task t, char out[TASK_SHARDS_LEN])
{
	struct task one = {.shards = 0};
	size_t len = 0;

	out[0] = '\0';
	while (next_shard(t, &one))
		len += (size_t)snprintf(out + len, TASK_SHARDS_LEN - len, "%s%d",
					len == 0 ? "" : ",", __builtin_ctzll(one.shards));
	return out;
}

static int64_t rest(struct history *h, enum rest_reason why, int64_t now_ms, uint32_t random)
{
	int64_t delay_ms;

	if (h->backoff.base_ms == 0 || h->why != why) {
		h->backoff = rests[why];
		h->why = why;
	}
	delay_ms = backoff_next_ms(&h->backoff, random);
	h->not_before_ms = now_ms + delay_ms;
	h->failures += why == REST_FAILED;
	return delay_ms;
}

int64_t agenda_rest(struct agenda *a, struct task t, enum rest_reason why, int64_t now_ms,
		    uint32_t random)
{
	struct task one = {.shards = 0};
	int64_t shortest = -1;

	while (next_shard(t, &one)) {
		struct history *h = remember(a, one);
		int64_t delay_ms = h != NULL ? rest(h, why, now_ms, random) : 0;

		if (shortest < 0 || delay_ms < shortest)
			shortest = delay_ms;
	}
	return shortest;
}

int agenda_failures(const struct agenda *a, struct task t)
{
	struct task one = {.shards = 0};
	int least = INT_MAX;

	while (next_shard(t, &one)) {
		int failures = past_of(a, one)->failures;

		if (failures < least)
			least = failures;
	}
	return least == INT_MAX ? 0 : least;
}

void agenda_rested(struct agenda *a, struct task t)
{
	struct task one = {.shards = 0};

	while (next_shard(t, &one)) {
		size_t i = find(a, one);

		if (i == a->nhistory)
			continue;
		backoff_reset(&a->history[i].backoff);
		a->history[i].not_before_ms = 0;
		a->history[i].failures = 0;
	}
}
