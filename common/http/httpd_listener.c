/* The listening socket of the HTTP server; see httpd_listener.h. */
#include "common/http/httpd_listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <sys/socket.h>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"

#define LISTENER_MAGIC  OBJ_MAGIC(0x83)
#define BACKLOG         1024
#define ACCEPT_RETRY_MS 200
#define WARN_AGAIN_MS   10000

struct httpd_listener {
	unsigned magic;
	struct evconnlistener *listener;
	void (*on_accept)(void *arg, int fd);
	void *arg;
	struct event *retry;
	int64_t warned_ms; /* the log gets one line a while, however often it pauses */
};

static void on_accept_retry(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_listener *l = arg;

	OBJ_CHECK(l, LISTENER_MAGIC);
	(void)fd;
	(void)what;
	(void)evconnlistener_enable(l->listener);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa,
			int len, void *arg)
{
	struct httpd_listener *l = arg;

	OBJ_CHECK(l, LISTENER_MAGIC);
	(void)listener;
	(void)sa;
	(void)len;
	l->on_accept(l->arg, fd);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	const struct timeval pause = {0, ACCEPT_RETRY_MS * 1000};
	struct httpd_listener *l = arg;

	OBJ_CHECK(l, LISTENER_MAGIC);
	if (l->warned_ms == 0 || clock_mono_ms() - l->warned_ms > WARN_AGAIN_MS) {
		log_warn("accepting paused", LOG_S("reason", strerror(errno)));
		l->warned_ms = clock_mono_ms();
	}
	(void)evconnlistener_disable(listener);
	(void)event_add(l->retry, &pause);
}

int httpd_listener_open(struct event_base *base, const char *addr, bool shared,
			void (*fn)(void *arg, int fd), void *arg, char ret_bound[64],
			struct httpd_listener **ret, struct err *e)
{
	const unsigned flags = LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE |
			       (shared ? LEV_OPT_REUSEABLE_PORT : 0);
	struct addrinfo *found = NULL;
	struct httpd_listener *l;
	int r = address_resolve(addr, &found, e);

	if (r < 0)
		return r;
	l = xcalloc(1, sizeof(*l));
	*l = (struct httpd_listener){.magic = LISTENER_MAGIC, .on_accept = fn, .arg = arg};
	for (struct addrinfo *a = found; a != NULL && l->listener == NULL; a = a->ai_next)
		l->listener = evconnlistener_new_bind(base, on_accepted, l, flags, BACKLOG,
						      a->ai_addr, (int)a->ai_addrlen);
	if (l->listener == NULL) {
		r = err_set(e, -errno, "cannot listen on %s: %s", addr, strerror(errno));
		free(l);
	}
	address_free(found);
	if (r < 0)
		return r;
	l->retry = evtimer_new(base, on_accept_retry, l);
	ASSERT(l->retry != NULL);
	evconnlistener_set_error_cb(l->listener, on_accept_error);
	address_bound(evconnlistener_get_fd(l->listener), ret_bound);
	*ret = l;
	return 0;
}

void httpd_listener_close(struct httpd_listener *l)
{
	if (l == NULL)
		return;
	OBJ_CHECK(l, LISTENER_MAGIC);
	evconnlistener_free(l->listener);
	event_free(l->retry);
	l->magic = 0;
	free(l);
}
