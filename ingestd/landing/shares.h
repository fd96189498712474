/*
 * What each tenant takes: of the queue, in bytes and events until they are settled, and of its rate
 * (a token bucket of events). Decides who is refused, so that one tenant's flood is that tenant's
 * problem: a tenant may hold at most twice what is still free. So one alone gets two thirds of the
 * queue, and whoever comes later still finds room (dynamic thresholds, as in switches with shared
 * memory). Pure: no clock, no I/O.
 *
 * A request is read into stage first and taken or dropped as a whole, so that nothing of it is kept
 * when one of its tenants is refused.
 */
#ifndef INGESTD_SHARES_H
#define INGESTD_SHARES_H

#include "ingestd/landing/fairqueue.h"

#define SHARE_FLOWS 3 /* the owner's business: queues that a tenant waits in */

struct share_use {
	size_t bytes, events;
};

struct share {
	struct share *next;        /* of its bucket */
	struct share *next_staged; /* of the request that is being read */
	uint64_t hash;
	struct share_use held, staged;
	double tokens; /* may be negative: a request is taken whole */
	int64_t filled_us;
	struct fair_flow flows[SHARE_FLOWS];
	void *open[SHARE_FLOWS]; /* the owner's, while staged */
	bool on_stage;
	size_t key_len;
	char key[];
};

struct shares_limits {
	struct share_use queue;
	double rate, burst; /* events a second, events; rate 0: no limit */
};

struct shares {
	struct share **buckets;
	size_t nbuckets, n;
	struct share_use held;
	size_t holders;        /* tenants that hold something */
	struct share *loudest; /* nobody is known to hold more bytes; NULL: not known */
	struct share *stage;
};

enum share_verdict { SHARE_GRANTED, SHARE_FULL, SHARE_RATE };

void shares_init(struct shares *s);
void shares_clear(struct shares *s);
/* The tenant's share, on the stage from here on; valid until shares_take or shares_drop. */
struct share *shares_stage(struct shares *s, struct slice tenant_id, const struct shares_limits *l,
			   int64_t now_us);
/* May it have `more` beside what it holds and has on stage? */
enum share_verdict shares_ask(const struct shares *s, const struct share *one,
			      struct share_use more, const struct shares_limits *l);
void shares_add(struct share *one, struct share_use more);
/* Ends the request: what is on stage is held now, or gone. */
void shares_take(struct shares *s, const struct shares_limits *l);
void shares_drop(struct shares *s, const struct shares_limits *l);
/* Settled. `one` may be gone after it. */
void shares_return(struct shares *s, struct share *one, struct share_use use,
		   const struct shares_limits *l);
/* Whether the queue has room for so many bytes, for any tenant. */
bool shares_room(const struct shares *s, size_t bytes, const struct shares_limits *l);
/* How long until the bucket lets the next request in. */
double shares_wait_s(const struct share *one, const struct shares_limits *l);

#endif
