/*
 * The connections of the HTTP server; see httpd_conn.h.
 *
 *   head ─▶ body ─▶ open: the handler has it ─▶ answer leaves ─▶ head …
 *
 * Handlers answer from inside our own callbacks, and anything may follow from that; so a connection
 * is never freed where it is answered. What ends it sets `over`, and the outermost callback (or
 * `soon`, later in the same turn) frees it.
 *
 * A handler reads a large body for milliseconds. One such request is handed over in a turn of the
 * loop, in order of arrival: whatever is small, and every other socket, gets its turn in between.
 */
#include "common/http/httpd_conn_priv.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/metrics.h"

#define READ_AHEAD_MAX ((size_t)64 << 10) /* of a next request while one is open */
#define HELD_MAX       ((size_t)256 << 20)
#define SWEEP_MAX_MS   1000

/* ---- memory */

/* What comes after the largest body is not kept. */
static size_t held_of(const struct httpd_conns *cs, size_t received)
{
	size_t most = cs->limits.headers_max + cs->limits.body_max;

	return received < most ? received : most;
}

void httpd_conn_set_received(struct httpd_conn *c, size_t n)
{
	c->cs->held = c->cs->held - held_of(c->cs, c->received) + held_of(c->cs, n);
	c->received = n;
}

static void conn_free(struct httpd_conn *c)
{
	struct httpd_conns *cs = c->cs;
	struct httpd_request *r = c->request;

	(void)event_del(&c->readable);
	(void)event_del(&c->writable);
	(void)event_del(&c->soon);
	(void)close(c->fd);
	TAILQ_REMOVE(&cs->all, c, link);
	httpd_conn_set_received(c, 0);
	if (c->queued) {
		TAILQ_REMOVE(&cs->queue, c, turn_link);
		arena_free(c->arrival.arena);
		free(c->arrival.owned);
	}
	httpd_input_forget(c);
	strbuf_clear(&c->in);
	free(c->out);
	metric_add(cs->open_connections, -1);
	if (--cs->count == 0) {
		(void)event_del(cs->sweep);
		if (cs->draining)
			event_active(cs->idle, EV_TIMEOUT, 0);
	}
	c->magic = 0;
	free(c);
	if (r != NULL)
		httpd_request_gone(r);
}

void httpd_conn_look_again(struct httpd_conn *c)
{
	if (!c->inside)
		event_active(&c->soon, EV_TIMEOUT, 0);
}

void httpd_conn_end(struct httpd_conn *c)
{
	c->over = true;
	httpd_conn_look_again(c);
}

void httpd_conn_expect(struct httpd_conn *c)
{
	c->read_deadline_ms = clock_mono_ms() + c->cs->limits.idle_timeout_ms;
}

void httpd_conn_read_on(struct httpd_conn *c, bool on)
{
	if (on == c->reading || (on && c->eof))
		return;
	c->reading = on;
	if (on)
		(void)event_add(&c->readable, NULL);
	else
		(void)event_del(&c->readable);
}

/* ---- reading and writing */

/* Where every callback ends: what became of it. */
static void settle(struct httpd_conn *c)
{
	if (c->over || (c->eof && (c->busy ? c->request != NULL && c->watched : true)) ||
	    (c->cs->draining && !c->busy && c->received == 0))
		conn_free(c);
	else
		httpd_conn_read_on(c, !c->busy || c->in.len < READ_AHEAD_MAX);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_conn *c = arg;
	ssize_t n;

	OBJ_CHECK(c, CONN_MAGIC);
	(void)what;
	n = recv(fd, c->cs->scratch, READ_AT_ONCE, MSG_DONTWAIT);
	c->inside = true;
	if (n > 0) {
		httpd_input_take(c, (struct slice){c->cs->scratch, (size_t)n});
	} else if (n == 0) {
		httpd_conn_read_on(c, false);
		c->eof = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		c->over = true;
	}
	c->inside = false;
	settle(c);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_conn *c = arg;

	OBJ_CHECK(c, CONN_MAGIC);
	(void)fd;
	(void)what;
	c->inside = true;
	if (!c->over && !c->busy)
		httpd_input_take(c, (struct slice){"", 0});
	c->inside = false;
	settle(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_conn *c = arg;

	OBJ_CHECK(c, CONN_MAGIC);
	(void)fd;
	c->inside = true;
	httpd_output_go_on(c, (what & EV_TIMEOUT) != 0);
	if (!c->over && !c->busy)
		httpd_input_take(c, (struct slice){"", 0});
	c->inside = false;
	settle(c);
}

/* ---- turns */

static void end_turn(struct httpd_conns *cs)
{
	static const struct timeval next_turn = {0, 0};

	(void)event_add(cs->turn, &next_turn);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_conns *cs = arg;
	struct httpd_conn *c = TAILQ_FIRST(&cs->queue);

	(void)fd;
	(void)what;
	if (c == NULL)
		return;
	TAILQ_REMOVE(&cs->queue, c, turn_link);
	c->queued = false;
	end_turn(cs);
	c->inside = true;
	cs->on_arrival(cs->arrival_arg, &c->arrival);
	c->inside = false;
	settle(c);
}

void httpd_conn_arrived(struct httpd_conn *c, const struct httpd_arrival *in)
{
	struct httpd_conns *cs = c->cs;
	bool large = in->body.len > HTTPD_SMALL_BODY;

	if (large && event_pending(cs->turn, EV_TIMEOUT, NULL)) {
		c->arrival = *in;
		c->queued = true;
		TAILQ_INSERT_TAIL(&cs->queue, c, turn_link);
		return;
	}
	if (large)
		end_turn(cs);
	cs->on_arrival(cs->arrival_arg, in);
}

/* ---- the life of a connection */

void httpd_conns_accept(struct httpd_conns *cs, int fd)
{
	struct httpd_conn *c = xcalloc(1, sizeof(*c));
	int on = 1;

	c->magic = CONN_MAGIC;
	c->cs = cs;
	c->fd = fd;
	c->in = c->body = STRBUF_INIT;
	TAILQ_INSERT_TAIL(&cs->all, c, link);
	metric_add(cs->open_connections, 1);
	if (cs->count++ == 0) {
		const struct timeval period = {cs->sweep_ms / 1000, cs->sweep_ms % 1000 * 1000};

		(void)event_add(cs->sweep, &period);
	}
	(void)event_assign(&c->readable, cs->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	(void)event_assign(&c->writable, cs->base, fd, EV_WRITE, on_writable, c);
	(void)event_assign(&c->soon, cs->base, -1, 0, on_soon, c);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	httpd_conn_expect(c);
	if (cs->count > cs->limits.connections_max) {
		httpd_output_refuse(c, "connections", PROBLEM_UNAVAILABLE, "too many connections");
	} else {
		httpd_conn_read_on(c, true);
	}
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
		if (c->over || c->busy || c->read_deadline_ms > now)
			continue;
		if (c->received == 0) {
			conn_free(c);
			continue;
		}
		httpd_output_refuse(c, "slow", PROBLEM_TIMEOUT,
				    "the request did not arrive whole in time");
	}
}

void httpd_conn_begin(struct httpd_conn *c, struct httpd_request *r)
{
	OBJ_CHECK(c, CONN_MAGIC);
	ASSERT(c->busy && c->request == NULL);
	c->request = r;
}

struct httpd_request *httpd_conn_request(const struct httpd_conn *c)
{
	OBJ_CHECK(c, CONN_MAGIC);
	return c->request;
}

void httpd_conn_watch(struct httpd_conn *c)
{
	OBJ_CHECK(c, CONN_MAGIC);
	c->watched = true;
	if (c->eof)
		httpd_conn_look_again(c);
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

struct httpd_conns *httpd_conns_new(struct event_base *base, const struct httpd_limits *limits,
				    httpd_arrival_fn fn, void *arg)
{
	struct httpd_conns *cs = xcalloc(1, sizeof(*cs));

	cs->base = base;
	cs->limits = *limits;
	cs->on_arrival = fn;
	cs->arrival_arg = arg;
	cs->held_max = limits->held_max;
	if (cs->held_max == 0)
		cs->held_max = limits->body_max > HELD_MAX / 8 ? limits->body_max * 8 : HELD_MAX;
	cs->sweep_ms = limits->idle_timeout_ms / 8;
	if (cs->sweep_ms > SWEEP_MAX_MS)
		cs->sweep_ms = SWEEP_MAX_MS;
	TAILQ_INIT(&cs->all);
	TAILQ_INIT(&cs->queue);
	cs->turn = evtimer_new(base, on_turn, cs);
	cs->sweep = event_new(base, -1, EV_PERSIST, on_sweep, cs);
	cs->idle = evtimer_new(base, on_idle, cs);
	ASSERT(cs->turn != NULL && cs->sweep != NULL && cs->idle != NULL && cs->sweep_ms > 0);
	cs->open_connections = metrics_gauge("http_server_connections",
					     "Open connections of HTTP clients");
	cs->refused = metrics_counter_family("http_server_connections_refused_total",
					     "Connections closed before a handler ran", "reason");
	return cs;
}

void httpd_conns_free(struct httpd_conns *cs)
{
	struct httpd_conn *c;

	if (cs == NULL)
		return;
	while ((c = TAILQ_FIRST(&cs->all)) != NULL)
		conn_free(c);
	event_free(cs->turn);
	event_free(cs->sweep);
	event_free(cs->idle);
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
		httpd_conn_look_again(c);
}

bool httpd_conns_draining(const struct httpd_conns *cs)
{
	return cs->draining;
}
