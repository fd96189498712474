/*
 * hello: the yardstick of HTTP. An evhttp server on a free loopback port that answers everything
 * with the same few bytes, or with so many as its argument says; prints the port, then serves until
 * a signal ends it.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "common/base/num.h"
#include "common/base/xalloc.h"

static void on_request(struct evhttp_request *request, void *arg)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(request);
	const struct slice *body = arg;

	(void)evbuffer_add(out, body->ptr, body->len);
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

int main(int argc, char **argv)
{
	struct slice body = SLICE_LIT("hello\n");
	struct event_base *base = event_base_new();
	struct evhttp *http = evhttp_new(base);
	struct evhttp_bound_socket *bound;
	struct sockaddr_in at = {0};
	socklen_t len = sizeof(at);
	int64_t size;
	int on = 1;

	ASSERT(http != NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* wrk leaves amid an answer when its time is up */
	if (argc > 1 && num_i64(slice_of(argv[1]), 1, 1 << 26, &size) == 0)
		body = (struct slice){memset(xmalloc((size_t)size), 'h', (size_t)size),
				      (size_t)size};
	evhttp_set_gencb(http, on_request, &body);
	bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
	ASSERT(bound != NULL);
	/* its connections inherit it: else the end of a long answer waits 40 ms for an
	 * acknowledgement */
	if (setsockopt(evhttp_bound_socket_get_fd(bound), IPPROTO_TCP, TCP_NODELAY, &on,
		       sizeof(on)) != 0 ||
	    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&at, &len) != 0)
		return 71;
	printf("%d\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	return event_base_dispatch(base) == 0 ? 0 : 70;
}
