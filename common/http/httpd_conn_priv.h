/* L2, private to httpd_conn.c, httpd_input.c and httpd_output.c: a connection. */
#ifndef COMMON_HTTPD_CONN_PRIV_H
#define COMMON_HTTPD_CONN_PRIV_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "common/http/httpd_conn.h"

#define CONN_MAGIC       OBJ_MAGIC(0x82)
#define READ_AT_ONCE     ((size_t)64 << 10)
#define HTTPD_SMALL_BODY ((size_t)16 << 10) /* has no buffer of its own, and waits for nobody */

struct httpd_conn {
	unsigned magic;
	TAILQ_ENTRY(httpd_conn) link;
	struct httpd_conns *cs;
	int fd;
	struct event readable, writable, soon;
	/* what arrives */
	struct strbuf in;    /* read and not looked at */
	size_t scanned;      /* of it, for the end of a head */
	struct arena *arena; /* of the request whose head has come; else NULL */
	struct httpd_head head;
	size_t head_len;
	struct httpd_chunks chunks;
	struct strbuf body;       /* a part of it */
	size_t skipped;           /* of a body that is too large */
	size_t received;          /* bytes of the request that arrives or is being answered */
	int64_t read_deadline_ms; /* while not busy */
	/* what leaves */
	struct httpd_request *request; /* open: complete and not answered */
	char *out;                     /* what the socket did not take: out_left from out_at on */
	const char *out_at;
	size_t out_left;
	bool busy;      /* a request is open or an answer is leaving */
	bool last;      /* nothing follows what is leaving */
	bool watched;   /* the open request wants to know when the client leaves */
	bool eof, over; /* over: to be freed */
	bool reading;   /* `readable` is added */
	bool inside;    /* a callback of ours is below, and looks at `over` */
	/* complete, but its body is large and others have their turn before it */
	bool queued;
	TAILQ_ENTRY(httpd_conn) turn_link;
	struct httpd_arrival arrival;
};

TAILQ_HEAD(conn_list, httpd_conn);

struct httpd_conns {
	struct event_base *base;
	struct httpd_limits limits;
	httpd_arrival_fn on_arrival;
	void *arrival_arg;
	struct conn_list all, queue; /* queue: of those whose request waits for its turn */
	int count;
	size_t held, held_max; /* sum of received */
	struct event *sweep, *idle;
	struct event *turn; /* pending: a large request was handled in this turn of the loop */
	int64_t sweep_ms;
	bool draining;
	void (*on_idle)(void *);
	void *idle_arg;
	struct metric *open_connections;
	struct metric_family *refused;
	char scratch[READ_AT_ONCE];
};

/* ---- httpd_conn.c */

void httpd_conn_set_received(struct httpd_conn *c, size_t n);
/* Later in this turn, or where the callback that is below ends. */
void httpd_conn_look_again(struct httpd_conn *c);
void httpd_conn_end(struct httpd_conn *c);
/* The time for the next request begins. */
void httpd_conn_expect(struct httpd_conn *c);
void httpd_conn_read_on(struct httpd_conn *c, bool on);
/* A request is complete: hands it over, a large one when it is its turn. */
void httpd_conn_arrived(struct httpd_conn *c, const struct httpd_arrival *in);

/* ---- httpd_input.c */

/* Bytes came; or none, to look again at those that are here. */
void httpd_input_take(struct httpd_conn *c, struct slice bytes);
void httpd_input_forget(struct httpd_conn *c); /* the request that arrives */

/* ---- httpd_output.c */

/* Answers without a request; the connection ends. `reason`: for the metric. */
void httpd_output_refuse(struct httpd_conn *c, const char *reason, enum problem_code code,
			 const char *detail);
/* The socket takes more of what is kept, or did not for too long. */
void httpd_output_go_on(struct httpd_conn *c, bool too_late);

#endif
