/*
 * Whose turn it is: deficit round robin. Each flow (a tenant) has a queue of its own; a turn gives
 * a flow one quantum of cost to spend, what it cannot spend yet it keeps for its next turn, and a
 * flow that is empty starts anew. So flows get equal shares whatever they send and in whatever
 * pieces, and a flow that was idle waits for one turn of each other one at most.
 *
 * Pure and intrusive: flows and items live in their owners' structs; nothing is allocated.
 */
#ifndef INGESTD_FAIRQUEUE_H
#define INGESTD_FAIRQUEUE_H

#include "common/base/base.h"

struct fair_item {
	struct fair_item *next;
	size_t cost; /* set before it is pushed */
};

/* Zeroed: empty. */
struct fair_flow {
	struct fair_flow *next; /* in the ring, while it has items */
	struct fair_item *first, **tail;
	size_t deficit;
	uint64_t round; /* in which it had its turn last */
};

struct fairqueue {
	struct fair_flow *last; /* of the ring; last->next is the one whose turn it is */
	size_t quantum;
	size_t flows; /* that wait */
	uint64_t round;
};

void fairqueue_init(struct fairqueue *q, size_t quantum);
void fairqueue_push(struct fairqueue *q, struct fair_flow *f, struct fair_item *item);
/* The next item of this round, or NULL when every flow had its turn (or nothing waits). */
struct fair_item *fairqueue_pop(struct fairqueue *q);
void fairqueue_next_round(struct fairqueue *q); /* everybody has a turn again */

#endif
