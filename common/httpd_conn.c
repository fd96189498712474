/*
 * The connections of the HTTP server; see httpd_conn.h.
 *
 * evhttp 2.1.12 shows us a connection at three moments only: when it asks for a bufferevent (after
 * accept), when a request is complete, and when it frees the connection. All else hangs on the
 * bufferevent: its callback argument is the evhttp_connection, callbacks on its buffers tell when a
 * request begins to arrive and when evhttp writes a page of its own.
 *
 * Two rules of evhttp keep this safe. A read callback in its state WRITING ends the process, so the
 * read callback is taken out while we watch an open request. And freeing a connection inside one of
 * its callbacks is fatal, so whatever ends one waits for `soon`, which runs later in the same turn,
 * before anything is written.
 */
#include "common/httpd_conn.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "common/ulid.h"
#include "common/xalloc.h"

#define CONN_MAGIC     OBJ_MAGIC(0x82)
#define READ_AHEAD_MAX ((size_t)64 << 10) /* of a next request while one is open */
#define READ_AT_ONCE   ((size_t)64 << 10)
#define HELD_MAX       ((size_t)256 << 20)
#define SWEEP_MAX_MS   1000

struct httpd_conn {
	unsigned magic;
	TAILQ_ENTRY(httpd_conn) link;
	struct httpd_conns *cs;
	struct bufferevent *bev;
	struct evhttp_connection *evcon; /* NULL until `soon` ran for the first time */
	struct event soon;
	struct httpd_request *request; /* open: complete and not answered */
	size_t received;               /* bytes of the request that arrives or is being answered */
	int64_t read_deadline_ms;      /* while not busy */
	bool busy;                     /* a request is open or an answer is leaving */
	bool shed;                     /* too many bytes are held: this one goes */
	bool own_page;                 /* evhttp wrote something by itself */
};

TAILQ_HEAD(conn_list, httpd_conn);

struct httpd_conns {
	struct event_base *base;
	struct httpd_limits limits;
	struct conn_list all;
	int count;
	struct httpd_conn **by_fd;
	size_t by_fd_len;
	size_t held, held_max; /* sum of received */
	struct event *sweep, *idle;
	int64_t sweep_ms;
	bool draining;
	void (*on_idle)(void *);
	void *idle_arg;
	struct metric *open_connections;
	struct metric_family *refused;
};

/* ---- answers without evhttp */

/* A complete response; the connection ends after it. */
static void write_problem(enum problem_code code, const char *detail, struct strbuf *out)
{
	struct strbuf body = STRBUF_INIT;
	char id[ULID_LEN + 8];
	struct problem p = {.code = code, .detail = detail, .correlation_id = id};

	ulid_prefixed("cor", id, sizeof(id));
	problem_write(&p, &body);
	strbuf_appendf(out,
		       "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n"
		       "Content-Length: %zu\r\nCache-Control: no-store\r\n"
		       "X-Content-Type-Options: nosniff\r\nX-Correlation-Id: %s\r\n%s"
		       "Connection: close\r\n\r\n",
		       problem_status(code), problem_title(code), body.len, id,
		       problem_status(code) == 503 ? "Retry-After: 1\r\n" : "");
	strbuf_append_slice(out, strbuf_slice(&body));
	strbuf_clear(&body);
}

static void count_refused(struct httpd_conns *cs, const char *reason)
{
	metric_add(metrics_with(cs->refused, &reason), 1);
}

/* Answers and closes a connection on which evhttp has written nothing. What has arrived is thrown
 * away first: closing with unread bytes resets the connection, and the answer with it. */
static void refuse(struct httpd_conn *c, enum problem_code code, const char *detail)
{
	int fd = bufferevent_getfd(c->bev);
	struct strbuf answer = STRBUF_INIT;
	char rest[4096];
	int reads = 16;

	write_problem(code, detail, &answer);
	(void)send(fd, answer.ptr, answer.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	strbuf_clear(&answer);
	(void)shutdown(fd, SHUT_WR);
	while (reads-- > 0 && recv(fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;
	evhttp_connection_free(c->evcon);
}

static enum problem_code code_of_page(const struct httpd_conn *c, int status,
				      const char **ret_detail)
{
	switch (status) {
	case 413:
		*ret_detail = "the body is larger than this server accepts, or its chunks are bad";
		return PROBLEM_PAYLOAD_TOO_LARGE;
	case 417:
		*ret_detail = "Expect must be 100-continue";
		return PROBLEM_VALIDATION_FAILED;
	default:
		/* evhttp does not tell the two apart */
		if (c->received > c->cs->limits.headers_max) {
			*ret_detail = "request line and header fields are too large";
			return PROBLEM_HEADERS_TOO_LARGE;
		}
		*ret_detail = "the request line or a header field is not HTTP/1.1";
		return PROBLEM_VALIDATION_FAILED;
	}
}

/* evhttp has written "100 Continue", which stays, or an error page, which we replace; it closes the
 * connection after the page, and so after ours. */
static void replace_page(struct httpd_conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	struct strbuf answer = STRBUF_INIT;
	const char *detail;
	enum problem_code code;
	char head[12];

	/* the front of its output belongs to the bufferevent, which has closed it, even to a look
	 */
	(void)evbuffer_unfreeze(out, 1);
	if (evbuffer_copyout(out, head, sizeof(head)) == (ssize_t)sizeof(head) &&
	    memcmp(head, "HTTP/1.1 4", 10) == 0) {
		code = code_of_page(c, 400 + (head[10] - '0') * 10 + head[11] - '0', &detail);
		write_problem(code, detail, &answer);
		c->busy = true;
		(void)evbuffer_drain(out, evbuffer_get_length(out));
		(void)evbuffer_add(out, answer.ptr, answer.len);
		strbuf_clear(&answer);
		count_refused(c->cs, "malformed");
	}
	(void)evbuffer_freeze(out, 1);
}

/* ---- the life of a connection */

/* What a connection has in memory; evhttp drops what comes after the largest body. */
static size_t held_of(const struct httpd_conns *cs, size_t received)
{
	size_t most = cs->limits.headers_max + cs->limits.body_max;

	return received < most ? received : most;
}

static void set_received(struct httpd_conn *c, size_t n)
{
	c->cs->held = c->cs->held - held_of(c->cs, c->received) + held_of(c->cs, n);
	c->received = n;
}

static void conn_free(struct httpd_conn *c)
{
	struct httpd_conns *cs = c->cs;

	(void)event_del(&c->soon);
	TAILQ_REMOVE(&cs->all, c, link);
	set_received(c, 0);
	metric_add(cs->open_connections, -1);
	if (--cs->count == 0) {
		(void)event_del(cs->sweep);
		if (cs->draining)
			event_active(cs->idle, EV_TIMEOUT, 0);
	}
	c->magic = 0;
	free(c);
}

static void expect_request(struct httpd_conn *c)
{
	c->read_deadline_ms = clock_mono_ms() + c->cs->limits.idle_timeout_ms;
}

/* Bytes arrived. */
static void on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
	struct httpd_conn *c = arg;

	OBJ_CHECK(c, CONN_MAGIC);
	(void)in;
	if (info->n_added == 0 || c->busy)
		return;
	if (c->received == 0)
		expect_request(c);
	set_received(c, c->received + info->n_added);
	if (c->cs->held > c->cs->held_max) {
		c->shed = true;
		event_active(&c->soon, EV_TIMEOUT, 0);
	}
}

/* Something was written that is not an answer of ours. */
static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
	struct httpd_conn *c = arg;

	OBJ_CHECK(c, CONN_MAGIC);
	(void)out;
	if (info->n_added == 0 || c->busy || c->own_page)
		return;
	c->own_page = true;
	event_active(&c->soon, EV_TIMEOUT, 0);
}

/* evhttp frees the connection, whoever wanted it. */
static void on_closed(struct evhttp_connection *evcon, void *arg)
{
	struct httpd_conn *c = arg;
	struct httpd_request *r = c->request;

	OBJ_CHECK(c, CONN_MAGIC);
	(void)evcon;
	c->cs->by_fd[bufferevent_getfd(c->bev)] = NULL;
	(void)evbuffer_remove_cb(bufferevent_get_input(c->bev), on_input, c);
	(void)evbuffer_remove_cb(bufferevent_get_output(c->bev), on_output, c);
	conn_free(c);
	if (r != NULL)
		httpd_request_gone(r);
}

static void remember_fd(struct httpd_conn *c, int fd)
{
	struct httpd_conns *cs = c->cs;
	size_t i = (size_t)fd;

	if (i >= cs->by_fd_len) {
		size_t len = i + 64;

		cs->by_fd = xreallocarray(cs->by_fd, len, sizeof(*cs->by_fd));
		memset(cs->by_fd + cs->by_fd_len, 0, (len - cs->by_fd_len) * sizeof(*cs->by_fd));
		cs->by_fd_len = len;
	}
	cs->by_fd[i] = c;
}

/* evhttp made its connection around our bufferevent: the first chance to see it. */
static void accepted(struct httpd_conn *c)
{
	struct httpd_conns *cs = c->cs;
	const struct httpd_limits *l = &cs->limits;
	const struct timeval write_timeout = {l->idle_timeout_ms / 1000,
					      l->idle_timeout_ms % 1000 * 1000};
	int fd = bufferevent_getfd(c->bev), on = 1;
	void *evcon = NULL;

	bufferevent_getcb(c->bev, NULL, NULL, NULL, &evcon);
	(void)bufferevent_decref(c->bev); /* from here on evhttp's reference counts */
	if (evcon == NULL) {              /* it failed over the connection and freed it */
		conn_free(c);
		return;
	}
	c->evcon = evcon;
	remember_fd(c, fd);
	evhttp_connection_set_closecb(c->evcon, on_closed, c);
	(void)evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c);
	(void)evbuffer_add_cb(bufferevent_get_output(c->bev), on_output, c);
	(void)bufferevent_set_timeouts(c->bev, NULL, &write_timeout);
	(void)bufferevent_set_max_single_read(c->bev, READ_AT_ONCE);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	expect_request(c);
	if (cs->count > l->connections_max) {
		count_refused(cs, "connections");
		refuse(c, PROBLEM_UNAVAILABLE, "too many connections");
	}
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_conn *c = arg;

	OBJ_CHECK(c, CONN_MAGIC);
	(void)fd;
	(void)what;
	if (c->evcon == NULL) {
		accepted(c);
	} else if (c->own_page) {
		c->own_page = false;
		replace_page(c);
	} else if (c->shed && !c->busy) {
		count_refused(c->cs, "memory");
		refuse(c, PROBLEM_UNAVAILABLE, "too many bytes of requests are held");
	} else if (c->cs->draining && !c->busy && c->received == 0) {
		evhttp_connection_free(c->evcon);
	}
}

/* evhttp asks for the bufferevent of a connection that it has just accepted. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
	struct httpd_conns *cs = arg;
	struct httpd_conn *c = xcalloc(1, sizeof(*c));

	c->magic = CONN_MAGIC;
	c->cs = cs;
	c->bev = bufferevent_socket_new(base, -1, 0);
	ASSERT(c->bev != NULL);
	bufferevent_incref(c->bev); /* until `soon` has looked at it */
	TAILQ_INSERT_TAIL(&cs->all, c, link);
	metric_add(cs->open_connections, 1);
	if (cs->count++ == 0) {
		const struct timeval period = {cs->sweep_ms / 1000, cs->sweep_ms % 1000 * 1000};

		(void)event_add(cs->sweep, &period);
	}
	(void)event_assign(&c->soon, base, -1, 0, on_soon, c);
	event_active(&c->soon, EV_TIMEOUT, 0);
	return c->bev;
}

/* Closes what took too long to send its request. */
static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_conns *cs = arg;
	int64_t now = clock_mono_ms();
	struct httpd_conn *c, *next;

	(void)fd;
	(void)what;
	for (c = TAILQ_FIRST(&cs->all); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->evcon == NULL || c->busy || c->read_deadline_ms > now)
			continue;
		if (c->received == 0) {
			evhttp_connection_free(c->evcon);
			continue;
		}
		count_refused(cs, "slow");
		refuse(c, PROBLEM_TIMEOUT, "the request did not arrive whole in time");
	}
}

/* ---- requests */

/* The answer has left; evhttp closes the connection next or waits for another request. */
static void on_complete(struct evhttp_request *ev, void *arg)
{
	struct httpd_conn *c = arg;

	OBJ_CHECK(c, CONN_MAGIC);
	(void)ev;
	ASSERT(c->request == NULL);
	c->busy = false;
	(void)bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
	set_received(c, evbuffer_get_length(bufferevent_get_input(c->bev)));
	expect_request(c);
	if (c->cs->draining)
		event_active(&c->soon, EV_TIMEOUT, 0);
}

struct httpd_conn *httpd_conn_begin(struct httpd_conns *cs, struct evhttp_request *ev,
				    struct httpd_request *r)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(ev);
	struct bufferevent *bev = evhttp_connection_get_bufferevent(evcon);
	struct httpd_conn *c = cs->by_fd[bufferevent_getfd(bev)];

	OBJ_CHECK(c, CONN_MAGIC);
	ASSERT(c->evcon == evcon && !c->busy);
	c->request = r;
	c->busy = true;
	(void)bufferevent_setwatermark(bev, EV_READ, 0, READ_AHEAD_MAX);
	evhttp_request_set_on_complete_cb(ev, on_complete, c);
	return c;
}

void httpd_conn_answered(struct httpd_conn *c)
{
	OBJ_CHECK(c, CONN_MAGIC);
	c->request = NULL;
}

struct httpd_request *httpd_conn_request(const struct httpd_conn *c)
{
	OBJ_CHECK(c, CONN_MAGIC);
	return c->request;
}

void httpd_conn_watch(struct httpd_conn *c)
{
	bufferevent_data_cb on_written;
	bufferevent_event_cb on_event;
	void *arg;

	OBJ_CHECK(c, CONN_MAGIC);
	bufferevent_getcb(c->bev, NULL, &on_written, &on_event, &arg);
	bufferevent_setcb(c->bev, NULL, on_written, on_event, arg);
	(void)bufferevent_enable(c->bev, EV_READ);
}

/* ---- all of them */

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_conns *cs = arg;
	void (*fn)(void *) = cs->on_idle;

	(void)fd;
	(void)what;
	cs->on_idle = NULL;
	if (fn != NULL)
		fn(cs->idle_arg); /* may free the server */
}

struct httpd_conns *httpd_conns_new(struct event_base *base, struct evhttp *http,
				    const struct httpd_limits *limits)
{
	struct httpd_conns *cs = xcalloc(1, sizeof(*cs));

	cs->base = base;
	cs->limits = *limits;
	cs->held_max = limits->held_max;
	if (cs->held_max == 0)
		cs->held_max = limits->body_max > HELD_MAX / 8 ? limits->body_max * 8 : HELD_MAX;
	cs->sweep_ms = limits->idle_timeout_ms / 8;
	if (cs->sweep_ms > SWEEP_MAX_MS)
		cs->sweep_ms = SWEEP_MAX_MS;
	TAILQ_INIT(&cs->all);
	cs->sweep = event_new(base, -1, EV_PERSIST, on_sweep, cs);
	cs->idle = evtimer_new(base, on_idle, cs);
	ASSERT(cs->sweep != NULL && cs->idle != NULL && cs->sweep_ms > 0);
	cs->open_connections = metrics_gauge("http_server_connections",
					     "Open connections of HTTP clients");
	cs->refused = metrics_counter_family("http_server_connections_refused_total",
					     "Connections closed before a handler ran", "reason");
	evhttp_set_bevcb(http, on_accept, cs);
	return cs;
}

void httpd_conns_free(struct httpd_conns *cs)
{
	struct httpd_conn *c, *next;

	if (cs == NULL)
		return;
	/* accepted in this very turn: evhttp is gone already, the bufferevent is held by us */
	for (c = TAILQ_FIRST(&cs->all); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		(void)bufferevent_decref(c->bev);
		conn_free(c);
	}
	event_free(cs->sweep);
	event_free(cs->idle);
	free(cs->by_fd);
	free(cs);
}

void httpd_conns_drain(struct httpd_conns *cs, void (*fn)(void *), void *arg)
{
	struct httpd_conn *c;

	ASSERT(!cs->draining);
	cs->draining = true;
	cs->on_idle = fn;
	cs->idle_arg = arg;
	if (cs->count == 0)
		event_active(cs->idle, EV_TIMEOUT, 0);
	TAILQ_FOREACH (c, &cs->all, link)
		event_active(&c->soon, EV_TIMEOUT, 0);
}

bool httpd_conns_draining(const struct httpd_conns *cs)
{
	return cs->draining;
}

void httpd_conns_flush(struct httpd_conns *cs)
{
	struct httpd_conn *c;

	TAILQ_FOREACH (c, &cs->all, link) {
		struct evbuffer *out = bufferevent_get_output(c->bev);

		(void)evbuffer_unfreeze(out, 1);
		(void)evbuffer_write(out, bufferevent_getfd(c->bev));
	}
}
