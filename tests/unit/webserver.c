/* See webserver.h. */
#include "tests/unit/webserver.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <event2/buffer.h>

#include "common/base/base.h"

void webserver_start(struct webserver *w, struct event_base *base,
		     void (*on_request)(struct evhttp_request *q, void *arg), void *arg)
{
	struct evhttp_bound_socket *s;
	struct sockaddr_in a = {.sin_port = 0};
	socklen_t len = sizeof(a);

	w->http = evhttp_new(base);
	ASSERT(w->http != NULL);
	s = evhttp_bind_socket_with_handle(w->http, "127.0.0.1", 0);
	ASSERT(s != NULL &&
	       getsockname(evhttp_bound_socket_get_fd(s), (struct sockaddr *)&a, &len) == 0);
	evhttp_set_gencb(w->http, on_request, arg);
	(void)snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%d/x", ntohs(a.sin_port));
}

void webserver_stop(struct webserver *w)
{
	evhttp_free(w->http);
}

void webserver_answer(struct evhttp_request *q, int status, const char *body)
{
	struct evbuffer *b = evbuffer_new();

	ASSERT(b != NULL && evbuffer_add(b, body, strlen(body)) == 0);
	evhttp_send_reply(q, status, "-", b);
	evbuffer_free(b);
}
