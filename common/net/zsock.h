/*
 * L2: a ZeroMQ socket on the loop; the only user of libzmq. One pump rule for all: after the fd
 * fires, after every send and on a 500 ms timer, read until EAGAIN (at most a budget per turn, then
 * again in the next turn), because any zmq call may swallow the edge.
 *
 * What travels here between our daemons is a hint, never the truth: sends do not block and drop
 * when the peer is slow; a poll of the tables is the safety net. Events that come in through a
 * ROUTER are their senders' until they are answered.
 */
#ifndef COMMON_ZSOCK_H
#define COMMON_ZSOCK_H

#include "common/base/err.h"

struct event_base;
struct zsock;

enum zsock_type { ZSOCK_PUSH, ZSOCK_PULL, ZSOCK_PUB, ZSOCK_SUB, ZSOCK_ROUTER, ZSOCK_REP };

/* Parts of one message, borrowed until the callback returns. */
typedef void (*zsock_fn)(void *arg, const struct slice *parts, size_t n);

struct zsock_options {
	enum zsock_type type;
	const char *endpoint; /* ipc://… or tcp://…; several peers separated by ',' for connect */
	bool bind;
	int hwm;               /* messages of a peer that wait here, each way, */
	int send_hwm;          /* unless this says otherwise for those to it */
	size_t message_max;    /* larger ones close the peer's connection */
	const char *subscribe; /* ZSOCK_SUB: prefix; "" = all */
	zsock_fn on_message;   /* NULL for PUSH and PUB */
	void *arg;
	unsigned ipc_mode; /* bind to ipc://: permissions of the file; 0: as the umask has it */
	/* bind with CURVE: our secret key, and whether a client with this public key may come in
	 * (both Z85). NULL: no CURVE. One socket of a process can have it. */
	const char *curve_secret_key;
	bool (*curve_admits)(void *arg, const char *public_key);
};

#define ZSOCK_KEY_LEN 40 /* of a CURVE key in Z85 */
bool zsock_key_valid(const char *key);

int zsock_new(struct event_base *base, const struct zsock_options *o, struct zsock **ret,
	      struct err *e) MUST_CHECK;
void zsock_free(struct zsock *z);
/* false: dropped, the peer is slow or absent. */
bool zsock_send(struct zsock *z, const struct slice *parts, size_t n);
void zsock_pause(struct zsock *z, bool paused); /* stop reading: back-pressure */
/* From inside on_message: the public key of the CURVE client that sent it; "" when there is none.
 */
const char *zsock_sender(const struct zsock *z);
/* The endpoint as bound (tcp://…:* gets its port); "" when connected. */
const char *zsock_endpoint(const struct zsock *z);

#endif
