/*
 * The ZeroMQ door (`events_listen`): a ROUTER for REQ and DEALER clients. One message is an event,
 * an array of events or NDJSON; the answer, the same JSON as that of POST /v1/events, leaves after
 * the commit. What a client puts in front of an empty frame (a request id) comes back with its
 * answer; a DEALER that pipelines may leave the empty frame out.
 *
 * Under pressure nothing is refused: while the queue is full, the warehouse away or OPEN_MAX
 * messages unanswered, nothing is read, so that senders wait where they are. A client that lost its
 * answer (its connection, or ours with the warehouse: then the answer is a problem of status 503)
 * sends again; what had landed counts as duplicate.
 *
 * On ipc:// the file's permissions (owner and group) say who may connect. tcp:// must be CURVE,
 * with the clients of `events_clients_file`.
 */
#ifndef INGESTD_ZDOOR_H
#define INGESTD_ZDOOR_H

#include "common/daemon/daemon.h"
#include "ingestd/config.h"
#include "ingestd/door/intake.h"

struct zdoor;

/* *ret is NULL when no endpoint is configured. */
int zdoor_open(struct daemon *d, const struct ingestd_config *conf, struct intake *intake,
	       struct zdoor **ret, struct err *e) MUST_CHECK;
/* After the last open message was settled; NULL is fine, here and below. */
void zdoor_free(struct zdoor *z);
/* The warehouse went away or came back: looks at once whether to read, not at the next try. */
void zdoor_look(struct zdoor *z);
/* Reads no more; on_idle once when all that was read is answered, maybe at once. */
void zdoor_drain(struct zdoor *z, void (*on_idle)(void *arg), void *arg);

#endif
