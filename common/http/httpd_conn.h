/*
 * L2, private to httpd: the connections of one HTTP server, on plain sockets. Reads requests
 * (httpd_head.h), one at a time of a connection, bounds what they take in number, bytes and time,
 * writes answers, and tells when a client leaves.
 *
 * An answer is written at once, from where its parts lie; only what the socket does not take is
 * kept. While a request is open, or its answer has not left, nothing more of the connection is
 * looked at; what comes then is read up to READ_AHEAD_MAX. A connection that nothing has come on
 * holds no buffer.
 */
#ifndef COMMON_HTTPD_CONN_H
#define COMMON_HTTPD_CONN_H

#include "common/http/httpd.h"
#include "common/http/httpd_head.h"

struct httpd_conn;
struct httpd_conns;

#define HTTPD_PARTS_MAX 4 /* of an answer, its head among them */

/* A request that has come whole. The arena holds all of it and is the taker's. */
struct httpd_arrival {
	struct httpd_conn *conn;
	struct arena *arena;
	const struct httpd_head *head;
	struct slice body;
	char *owned; /* the heap's, when the body lies there; the taker's */
};

typedef void (*httpd_arrival_fn)(void *arg, const struct httpd_arrival *in);

/* fn is called with each request, which from then on is the connection's open one. */
struct httpd_conns *httpd_conns_new(struct event_base *base, const struct httpd_limits *limits,
				    httpd_arrival_fn fn, void *arg) MUST_CHECK;
void httpd_conns_free(struct httpd_conns *cs);
/* Takes a socket that was accepted. */
void httpd_conns_accept(struct httpd_conns *cs, int fd);

/* r is told of the client (httpd_request_gone) until it is answered. */
void httpd_conn_begin(struct httpd_conn *c, struct httpd_request *r);
/* NULL after it was answered. */
struct httpd_request *httpd_conn_request(const struct httpd_conn *c);
/* The answer to the open request. Parts are borrowed; `taken`, if not NULL, is where the last one
 * begins, of the heap, and is taken. close: the connection ends behind it. */
void httpd_conn_answer(struct httpd_conn *c, const struct slice *parts, size_t n, char *taken,
		       bool close);
/* The open request ends at once when the client leaves. */
void httpd_conn_watch(struct httpd_conn *c);

void httpd_conns_drain(struct httpd_conns *cs, void (*on_idle)(void *), void *arg);
bool httpd_conns_draining(const struct httpd_conns *cs);

/* In httpd.c: the client of r left. */
void httpd_request_gone(struct httpd_request *r);

#endif
