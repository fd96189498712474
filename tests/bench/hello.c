/*
 * hello: the yardstick of HTTP. An evhttp server on a free loopback port that answers everything
 * with the same few bytes; prints the port, then serves until a signal ends it.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "common/base.h"

static void on_request(struct evhttp_request *request, void *arg)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(request);

	(void)arg;
	(void)evbuffer_add(out, "hello\n", 6);
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

int main(void)
{
	struct event_base *base = event_base_new();
	struct evhttp *http = evhttp_new(base);
	struct evhttp_bound_socket *bound;
	struct sockaddr_in at = {0};
	socklen_t size = sizeof(at);

	ASSERT(http != NULL);
	evhttp_set_gencb(http, on_request, NULL);
	bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
	ASSERT(bound != NULL);
	if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&at, &size) != 0)
		return 71;
	printf("%d\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	return event_base_dispatch(base) == 0 ? 0 : 70;
}
