/*
 * A web server on the test's own loop and a free port of loopback, so that a client under test can
 * be answered, or left waiting, by the test itself.
 */
#ifndef TESTS_WEBSERVER_H
#define TESTS_WEBSERVER_H

#include <event2/event.h>
#include <event2/http.h>

struct webserver {
	struct evhttp *http;
	char url[64];
};

void webserver_start(struct webserver *w, struct event_base *base,
		     void (*on_request)(struct evhttp_request *q, void *arg), void *arg);
void webserver_stop(struct webserver *w);
/* An answer with a body; headers are added to the request before. */
void webserver_answer(struct evhttp_request *q, int status, const char *body);

#endif
