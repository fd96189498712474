/*
 * L2: the processes that serve for one daemon (setting `workers`), seen from inside one of them:
 * its channel to the supervisor (prefork.h). It says how this worker is and hears how the others
 * are; and it asks all of them for their metrics.
 *
 * A worker does not outlive its supervisor: the channel's end tells it to drain.
 */
#ifndef COMMON_WORKER_H
#define COMMON_WORKER_H

#include "common/base/strbuf.h"

struct event_base;
struct worker;

#define WORKERS_MAX 64

struct worker_options {
	int fd;                                     /* the channel; taken */
	void (*on_serving)(void *arg, int serving); /* so many of them are ready now */
	void (*on_orphaned)(void *arg);             /* the supervisor is gone */
	void *arg;
};

struct worker *worker_new(struct event_base *base, const struct worker_options *o) MUST_CHECK;
void worker_free(struct worker *w); /* who asked gets no texts; NULL is fine */
/* listening, and ready in all that concerns this process alone. */
void worker_tell(struct worker *w, bool listening, bool ready);

/* texts: of all workers; or NULL, when not all have answered in time. Borrowed until fn returns. */
typedef void (*worker_metrics_fn)(void *arg, const struct slice *texts, size_t n);
/* fn is called exactly once, never from inside the call. */
void worker_ask_metrics(struct worker *w, worker_metrics_fn fn, void *arg);

/* ---- what goes over the channel */

enum worker_message_kind {
	/* to the supervisor */
	WORKER_STATE,   /* listening, ready */
	WORKER_ALIVE,   /* the answer to a PING */
	WORKER_ASK,     /* for the metrics of all */
	WORKER_METRICS, /* for worker `about`; with a file that holds them */
	/* from it */
	WORKER_SERVING, /* count: ready ones */
	WORKER_PING,
	WORKER_TELL, /* metrics, to worker `about` */
	WORKER_TOLD, /* a file of metrics; count: so many will come */
};

struct worker_message {
	int32_t kind, about, count;
	uint32_t serial; /* of the question */
	bool listening, ready;
};

/* fd -1: none; else a copy of it goes along. 0, -EAGAIN, -EPIPE … */
int worker_send(int channel, const struct worker_message *m, int fd) MUST_CHECK;
/* 1: a message; ret_fd is the caller's, -1: none. 0: the channel has ended. -EAGAIN. */
int worker_receive(int channel, struct worker_message *ret, int *ret_fd) MUST_CHECK;

#endif
