/* The listening socket of the HTTP server; see httpd_listener.h. */
#include "common/httpd_listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"

#define LISTENER_MAGIC  OBJ_MAGIC(0x83)
#define BACKLOG         1024
#define ACCEPT_RETRY_MS 200
#define WARN_AGAIN_MS   10000

struct httpd_listener {
	unsigned magic;
	TAILQ_ENTRY(httpd_listener) link;
	struct evhttp *http;
	struct evhttp_bound_socket *bound;
	struct event *retry;
	int64_t warned_ms; /* the log gets one line a while, however often it pauses */
};

static TAILQ_HEAD(, httpd_listener) listeners = TAILQ_HEAD_INITIALIZER(listeners);

static void on_accept_retry(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_listener *l = arg;

	OBJ_CHECK(l, LISTENER_MAGIC);
	(void)fd;
	(void)what;
	(void)evconnlistener_enable(evhttp_bound_socket_get_listener(l->bound));
}

/* The argument is evhttp's, so the listener is looked up. */
static void on_accept_error(struct evconnlistener *listener, void *http)
{
	const struct timeval pause = {0, ACCEPT_RETRY_MS * 1000};
	struct httpd_listener *l;

	(void)http;
	TAILQ_FOREACH (l, &listeners, link) {
		if (evhttp_bound_socket_get_listener(l->bound) != listener)
			continue;
		if (l->warned_ms == 0 || clock_mono_ms() - l->warned_ms > WARN_AGAIN_MS) {
			log_warn("accepting paused", LOG_S("reason", strerror(errno)));
			l->warned_ms = clock_mono_ms();
		}
		(void)evconnlistener_disable(listener);
		(void)event_add(l->retry, &pause);
	}
}

/* "host:port" or "[v6]:port" as addresses to bind; *ret is for freeaddrinfo. */
static int resolve(const char *addr, struct addrinfo **ret, struct err *e)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	const char *colon = strrchr(addr, ':');
	char host[256];
	size_t n = colon != NULL ? (size_t)(colon - addr) : 0;
	int r;

	if (n > 1 && addr[0] == '[' && addr[n - 1] == ']') {
		addr++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(host))
		return err_set(e, -EINVAL, "cannot listen on \"%.80s\": not host:port", addr);
	memcpy(host, addr, n);
	host[n] = '\0';
	r = getaddrinfo(host, colon + 1, &hints, ret);
	if (r != 0)
		return err_set(e, -EADDRNOTAVAIL, "cannot listen on %.200s: %s", addr,
			       gai_strerror(r));
	return 0;
}

static void format_bound(int fd, char ret_bound[64])
{
	struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(sa);
	char host[INET6_ADDRSTRLEN], port[8];

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		ASSERT(!"a bound socket has an address");
	(void)snprintf(ret_bound, 64, sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int httpd_listener_open(struct event_base *base, struct evhttp *http, const char *addr, bool shared,
			char ret_bound[64], struct httpd_listener **ret, struct err *e)
{
	const unsigned flags = LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE |
			       (shared ? LEV_OPT_REUSEABLE_PORT : 0);
	struct evconnlistener *listener = NULL;
	struct addrinfo *found = NULL;
	struct httpd_listener *l;
	int r = resolve(addr, &found, e);

	if (r < 0)
		return r;
	for (struct addrinfo *a = found; a != NULL && listener == NULL; a = a->ai_next)
		listener = evconnlistener_new_bind(base, NULL, NULL, flags, BACKLOG, a->ai_addr,
						   (int)a->ai_addrlen);
	if (listener == NULL)
		r = err_set(e, -errno, "cannot listen on %s: %s", addr, strerror(errno));
	freeaddrinfo(found);
	if (r < 0)
		return r;
	l = xcalloc(1, sizeof(*l));
	l->magic = LISTENER_MAGIC;
	l->http = http;
	l->retry = evtimer_new(base, on_accept_retry, l);
	l->bound = evhttp_bind_listener(http, listener);
	ASSERT(l->bound != NULL && l->retry != NULL);
	evconnlistener_set_error_cb(listener, on_accept_error);
	TAILQ_INSERT_TAIL(&listeners, l, link);
	format_bound(evconnlistener_get_fd(listener), ret_bound);
	*ret = l;
	return 0;
}

void httpd_listener_close(struct httpd_listener *l)
{
	if (l == NULL)
		return;
	OBJ_CHECK(l, LISTENER_MAGIC);
	TAILQ_REMOVE(&listeners, l, link);
	evhttp_del_accept_socket(l->http, l->bound);
	event_free(l->retry);
	l->magic = 0;
	free(l);
}
