/* A ring of the flows that have something; see fairqueue.h. */
#include "ingestd/landing/fairqueue.h"

void fairqueue_init(struct fairqueue *q, size_t quantum)
{
	ASSERT(quantum > 0);
	*q = (struct fairqueue){.quantum = quantum, .round = 1};
}

/* Behind all others. */
static void enter(struct fairqueue *q, struct fair_flow *f)
{
	if (q->last == NULL) {
		f->next = f;
	} else {
		f->next = q->last->next;
		q->last->next = f;
	}
	q->last = f;
	q->flows++;
}

static void leave(struct fairqueue *q, struct fair_flow *f)
{
	ASSERT(q->last->next == f);
	if (q->last == f)
		q->last = NULL;
	else
		q->last->next = f->next;
	f->next = NULL;
	f->deficit = 0;
	q->flows--;
}

void fairqueue_push(struct fairqueue *q, struct fair_flow *f, struct fair_item *item)
{
	item->next = NULL;
	if (f->first == NULL) {
		f->tail = &f->first;
		enter(q, f);
	}
	*f->tail = item;
	f->tail = &item->next;
}

/* Whether f may spend on its first item now; gives it its quantum when its turn begins. */
static bool can_spend(const struct fairqueue *q, struct fair_flow *f)
{
	if (f->deficit < f->first->cost && f->round != q->round) {
		f->round = q->round;
		f->deficit += q->quantum;
	}
	return f->deficit >= f->first->cost;
}

struct fair_item *fairqueue_pop(struct fairqueue *q)
{
	for (size_t i = q->flows; i > 0; i--) {
		struct fair_flow *f = q->last->next;
		struct fair_item *item = f->first;

		if (!can_spend(q, f)) {
			q->last = f;
			continue;
		}
		f->first = item->next;
		f->deficit -= item->cost;
		if (f->first == NULL)
			leave(q, f);
		return item;
	}
	return NULL;
}

void fairqueue_next_round(struct fairqueue *q)
{
	q->round++;
}
