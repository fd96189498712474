/*
 * L2: a ZeroMQ socket on the loop; the only user of libzmq. One pump rule for all: after the fd
 * fires, after every send and on a 500 ms timer, read until EAGAIN (at most a budget per turn, then
 * again in the next turn), because any zmq call may swallow the edge.
 *
 * What travels here between our daemons is a hint, never the truth: sends do not block and drop
 * when the peer is slow; a poll of the tables is the safety net.
 */
#ifndef COMMON_ZSOCK_H
#define COMMON_ZSOCK_H

#include "common/err.h"

struct event_base;
struct zsock;

enum zsock_type { ZSOCK_PUSH, ZSOCK_PULL, ZSOCK_PUB, ZSOCK_SUB, ZSOCK_ROUTER };

/* Parts of one message, borrowed until the callback returns. */
typedef void (*zsock_fn)(void *arg, const struct slice *parts, size_t n);

struct zsock_options {
	enum zsock_type type;
	const char *endpoint; /* ipc://… or tcp://…; several peers separated by ',' for connect */
	bool bind;
	int hwm;
	size_t message_max;    /* larger ones close the peer's connection */
	const char *subscribe; /* ZSOCK_SUB: prefix; "" = all */
	zsock_fn on_message;   /* NULL for PUSH and PUB */
	void *arg;
};

int zsock_new(struct event_base *base, const struct zsock_options *o, struct zsock **ret,
	      struct err *e) MUST_CHECK;
void zsock_free(struct zsock *z);
/* false: dropped, the peer is slow or absent. */
bool zsock_send(struct zsock *z, const struct slice *parts, size_t n);
void zsock_pause(struct zsock *z, bool paused); /* stop reading: back-pressure */
/* The endpoint as bound (tcp://…:* gets its port); "" when connected. */
const char *zsock_endpoint(const struct zsock *z);

#endif
