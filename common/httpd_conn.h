/*
 * L2, private to httpd.c: the connections of one HTTP server. evhttp accepts and parses; this adds
 * what its 2.1.12 leaves out: a cap on connections and on the bytes they hold, a deadline for a
 * request to arrive (evhttp's time-out starts again with every byte), notice of a client that
 * leaves while its request is open, closing idle connections to drain, and problem+json instead of
 * evhttp's own HTML pages.
 */
#ifndef COMMON_HTTPD_CONN_H
#define COMMON_HTTPD_CONN_H

#include "common/httpd.h"

struct evhttp;
struct evhttp_request;
struct httpd_conn;
struct httpd_conns;

/* Hooks into `http`, before it listens; `http` is freed before the conns are. */
struct httpd_conns *httpd_conns_new(struct event_base *base, struct evhttp *http,
				    const struct httpd_limits *limits) MUST_CHECK;
void httpd_conns_free(struct httpd_conns *cs);

/* A request has arrived whole: the connection waits until its answer has left. */
struct httpd_conn *httpd_conn_begin(struct httpd_conns *cs, struct evhttp_request *ev,
				    struct httpd_request *r) MUST_CHECK;
/* The answer was handed to evhttp: r is not told of the client any more. */
void httpd_conn_answered(struct httpd_conn *c);
/* Reads on while r is open, to see the client leave. */
void httpd_conn_watch(struct httpd_conn *c);
/* NULL after httpd_conn_answered. */
struct httpd_request *httpd_conn_request(const struct httpd_conn *c);

void httpd_conns_drain(struct httpd_conns *cs, void (*on_idle)(void *), void *arg);
bool httpd_conns_draining(const struct httpd_conns *cs);
/* Writes what the sockets take at once, before everything is freed. */
void httpd_conns_flush(struct httpd_conns *cs);

/* In httpd.c: the client of r left; evhttp gave the request up. */
void httpd_request_gone(struct httpd_request *r);

#endif
