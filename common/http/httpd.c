/*
 * The HTTP server: routes and the life of a request; see httpd.h. Answers are written in
 * httpd_answer.c, the connections are in httpd_conn.c, heads are read in httpd_head.c, the
 * listening socket is in httpd_listener.c.
 *
 * Who holds a request: its owner (the handler, then whoever answers later). When the client is
 * served or leaves before the owner answers, the request is `settled`: the owner's answer then only
 * frees it. All that is borrowed from it lies in its arena, which lives as long.
 */
#include "common/http/httpd.h"

#include <event2/event.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/http/httpd_listener.h"
#include "common/http/httpd_priv.h"
#include "common/http/traceparent.h"

#define STATUS_GONE 499

/* ---- the end of a request */

void httpd_release(struct httpd_request *r)
{
	if (r->h != NULL) {
		(void)event_del(&r->deadline);
		TAILQ_REMOVE(&r->h->open, r, link);
		r->h->nopen--;
	}
	free(r->body_owned);
	r->magic = 0;
	arena_free(r->arena);
}

/* Nobody waits any more. The owner may answer, and so free r, in here. */
static void settle(struct httpd_request *r)
{
	void (*on_gone)(void *) = r->on_gone;

	(void)event_del(&r->deadline);
	r->settled = true;
	r->on_gone = NULL;
	if (on_gone != NULL)
		on_gone(r->gone_arg);
}

void httpd_request_gone(struct httpd_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	httpd_observe(r, STATUS_GONE);
	r->conn = NULL;
	settle(r);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_request *r = arg;

	OBJ_CHECK(r, REQUEST_MAGIC);
	(void)fd;
	(void)what;
	httpd_send_problem(r, r->deadline_code, "the request was not finished in time", NULL, 0);
	settle(r);
}

/* ---- requests */

static bool answers(const struct httpd_route *row, const char *method)
{
	return strcmp(row->method, method) == 0 ||
	       (strcmp(row->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* Sets r->route, or answers 404 or 405 and returns false. */
static bool find_route(struct httpd_request *r)
{
	struct httpd *h = r->h;
	struct strbuf allow = STRBUF_INIT;

	for (size_t i = 0; i < h->nroutes; i++) {
		const struct httpd_route *row = h->routes[i].row;

		if (!uri_match(row->path, r->path, r->arena, r->params, &r->nparams))
			continue;
		if (answers(row, r->head->method)) {
			r->route = &h->routes[i];
			strbuf_clear(&allow);
			return true;
		}
		strbuf_appendf(&allow, "%s%s%s", allow.len > 0 ? ", " : "", row->method,
			       strcmp(row->method, "GET") == 0 ? ", HEAD" : "");
	}
	if (allow.len > 0) {
		httpd_set_header(r, "Allow", strbuf_cstr(&allow));
		httpd_reply_problem(r, PROBLEM_METHOD_NOT_ALLOWED, NULL);
	} else {
		httpd_reply_problem(r, PROBLEM_RESOURCE_NOT_FOUND, NULL);
	}
	strbuf_clear(&allow);
	return false;
}

static struct httpd_request *request_new(struct httpd *h, const struct httpd_arrival *in)
{
	struct httpd_request *r = arena_alloc(in->arena, sizeof(*r));

	r->magic = REQUEST_MAGIC; /* the arena's memory is zeroed */
	r->h = h;
	r->conn = in->conn;
	r->arena = in->arena;
	r->head = in->head;
	r->body = in->body;
	r->body_owned = in->owned;
	r->correlation_id = httpd_head_correlation_id(in->head, in->arena);
	r->started_us = clock_mono_us();
	r->deadline_code = PROBLEM_UNAVAILABLE;
	(void)event_assign(&r->deadline, h->base, -1, 0, on_deadline, r);
	TAILQ_INSERT_TAIL(&h->open, r, link);
	h->nopen++;
	httpd_conn_begin(in->conn, r);
	return r;
}

static void arm_deadline(struct httpd_request *r, int64_t ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	(void)event_add(&r->deadline, &tv);
}

static void drop_body(struct httpd_request *r)
{
	free(r->body_owned);
	r->body_owned = NULL;
	r->body = (struct slice){"", 0};
}

static void on_arrival(void *arg, const struct httpd_arrival *in)
{
	struct httpd *h = arg;
	struct httpd_request *r = request_new(h, in);
	struct httpd_conn *conn = in->conn;
	const struct httpd_route *row;

	OBJ_CHECK(h, HTTPD_MAGIC);
	if (!httpd_head_target(in->head, r->arena, &r->path, &r->query, &r->nquery)) {
		httpd_reply_problem(r, PROBLEM_VALIDATION_FAILED,
				    "the request target is not a path and query in UTF-8");
		return;
	}
	if (!find_route(r))
		return;
	row = r->route->row;
	if (r->body.len > row->body_max) {
		httpd_reply_problem(r, PROBLEM_PAYLOAD_TOO_LARGE,
				    arena_printf(r->arena, "at most %zu bytes are accepted here",
						 row->body_max));
		return;
	}
	row->handler(r, r->route->arg);
	/* most handlers have answered, and so freed r, by now */
	if (httpd_conn_request(conn) != r)
		return;
	if (!event_pending(&r->deadline, EV_TIMEOUT, NULL))
		arm_deadline(r, row->deadline_ms > 0 ? row->deadline_ms : h->limits.deadline_ms);
	if (r->body_once)
		drop_body(r);
}

const char *httpd_method(const struct httpd_request *r)
{
	return r->head->method;
}

const char *httpd_path(const struct httpd_request *r)
{
	return r->path;
}

bool httpd_settled(const struct httpd_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->settled;
}

void *httpd_arg(const struct httpd_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->route->arg;
}

const struct httpd_route *httpd_matched(const struct httpd_request *r)
{
	return r->route->row;
}

const char *httpd_param(const struct httpd_request *r, const char *name)
{
	for (size_t i = 0; i < r->nparams; i++)
		if (strcmp(r->params[i].name, name) == 0)
			return r->params[i].value;
	return NULL;
}

const char *httpd_query(const struct httpd_request *r, const char *name)
{
	for (size_t i = 0; i < r->nquery; i++)
		if (strcmp(r->query[i].name, name) == 0)
			return r->query[i].value;
	return NULL;
}

bool httpd_query_at(const struct httpd_request *r, size_t i, const char **ret_name,
		    const char **ret_value)
{
	if (i >= r->nquery)
		return false;
	*ret_name = r->query[i].name;
	*ret_value = r->query[i].value;
	return true;
}

const char *httpd_header(const struct httpd_request *r, const char *name)
{
	return httpd_head_field(r->head, name);
}

void httpd_each_header(const struct httpd_request *r,
		       void (*fn)(void *arg, const char *name, const char *value), void *arg)
{
	for (size_t i = 0; i < r->head->nfields; i++)
		fn(arg, r->head->fields[i].name, r->head->fields[i].value);
}

struct slice httpd_body(const struct httpd_request *r)
{
	return r->body;
}

void httpd_body_once(struct httpd_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	r->body_once = true;
}

const char *httpd_correlation_id(const struct httpd_request *r)
{
	return r->correlation_id;
}

const char *httpd_traceparent(const struct httpd_request *r)
{
	const char *text = httpd_head_field(r->head, "traceparent");

	return traceparent_valid(text) ? text : NULL;
}

const char *httpd_trace_id(struct httpd_request *r)
{
	const char *text = httpd_traceparent(r);
	char *id;

	if (text == NULL)
		return NULL;
	id = arena_alloc(r->arena, TRACE_ID_LEN + 1);
	traceparent_trace_id(text, id);
	return id;
}

int64_t httpd_started_us(const struct httpd_request *r)
{
	return r->started_us;
}

struct arena *httpd_arena(struct httpd_request *r)
{
	return r->arena;
}

void httpd_set_gone(struct httpd_request *r, void (*on_gone)(void *), void *arg)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	r->on_gone = on_gone;
	r->gone_arg = arg;
	if (r->conn != NULL && on_gone != NULL)
		httpd_conn_watch(r->conn);
}

void httpd_set_deadline(struct httpd_request *r, int64_t deadline_ms, enum problem_code code)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->settled)
		return;
	r->deadline_code = code;
	arm_deadline(r, deadline_ms);
}

/* ---- the server */

struct httpd *httpd_new(struct event_base *base, const struct httpd_limits *limits)
{
	struct httpd *h = xcalloc(1, sizeof(*h));

	h->magic = HTTPD_MAGIC;
	h->base = base;
	h->limits = *limits;
	TAILQ_INIT(&h->open);
	h->head = STRBUF_INIT;
	h->conns = httpd_conns_new(base, limits, on_arrival, h);
	h->duration = metrics_histogram_family(
		"http_server_request_duration_seconds", "From a request's arrival to its answer",
		"method,route,status", METRICS_SECONDS, METRICS_SECONDS_COUNT);
	return h;
}

void httpd_free(struct httpd *h)
{
	struct httpd_request *r;

	if (h == NULL)
		return;
	OBJ_CHECK(h, HTTPD_MAGIC);
	httpd_listener_close(h->listener);
	h->listener = NULL;
	/* telling an owner may free any of them, so look from the start each time */
	while ((r = TAILQ_FIRST(&h->open)) != NULL) {
		bool waited_for = !r->settled;

		if (waited_for)
			httpd_send_problem(r, PROBLEM_UNAVAILABLE, "the service is stopping", NULL,
					   0);
		(void)event_del(&r->deadline);
		TAILQ_REMOVE(&h->open, r, link);
		r->h = NULL;
		if (waited_for)
			settle(r);
	}
	httpd_conns_free(h->conns);
	strbuf_clear(&h->head);
	free(h->routes);
	h->magic = 0;
	free(h);
}

void httpd_add_routes(struct httpd *h, const struct httpd_route *routes, size_t n, void *arg)
{
	OBJ_CHECK(h, HTTPD_MAGIC);
	ASSERT(TAILQ_EMPTY(&h->open)); /* they point into the table */
	h->routes = xreallocarray(h->routes, h->nroutes + n, sizeof(*h->routes));
	for (size_t i = 0; i < n; i++)
		h->routes[h->nroutes++] = (struct route){.row = &routes[i], .arg = arg};
}

static void on_accept(void *arg, int fd)
{
	struct httpd *h = arg;

	OBJ_CHECK(h, HTTPD_MAGIC);
	httpd_conns_accept(h->conns, fd);
}

int httpd_listen(struct httpd *h, const char *addr, char ret_bound[64], struct err *e)
{
	OBJ_CHECK(h, HTTPD_MAGIC);
	ASSERT(h->listener == NULL);
	return httpd_listener_open(h->base, addr, h->limits.shared, on_accept, h, ret_bound,
				   &h->listener, e);
}

void httpd_drain(struct httpd *h, void (*on_idle)(void *), void *arg)
{
	OBJ_CHECK(h, HTTPD_MAGIC);
	httpd_listener_close(h->listener);
	h->listener = NULL;
	httpd_conns_drain(h->conns, on_idle, arg);
}

size_t httpd_open_requests(const struct httpd *h)
{
	return h->nopen;
}
