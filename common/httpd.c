/*
 * The HTTP server: routes, requests and answers; see httpd.h. The connections, with what evhttp
 * leaves out about them, are in httpd_conn.c, the reading of a request's head in httpd_head.c, the
 * listening socket in httpd_listener.c; these files are all that knows evhttp.
 *
 * Who holds a request: its owner (the handler, then whoever answers later) holds the struct, evhttp
 * holds the evhttp_request. When the client is served or leaves before the owner answers, the
 * request is `settled`: the owner's answer then only frees it. So that everything borrowed from it
 * stays valid until that moment, evhttp is made to keep the evhttp_request (EVHTTP_REQ_DEFER_FREE)
 * when we answer for the owner; when the client leaves, evhttp hands it over by itself.
 */
#include "common/httpd.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <sys/queue.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/httpd_conn.h"
#include "common/httpd_head.h"
#include "common/httpd_listener.h"
#include "common/metrics.h"
#include "common/uri.h"
#include "common/xalloc.h"

#define HTTPD_MAGIC   OBJ_MAGIC(0x80)
#define REQUEST_MAGIC OBJ_MAGIC(0x81)
#define SERIES_CACHED 8 /* statuses of one route whose histogram is found without a search */
#define STATUS_GONE   499

struct series {
	int method, status; /* 0: free */
	struct metric *duration;
};

struct route {
	const struct httpd_route *row;
	void *arg;
	struct series series[SERIES_CACHED];
};

TAILQ_HEAD(request_list, httpd_request);

struct httpd {
	unsigned magic;
	struct event_base *base;
	struct httpd_limits limits;
	struct evhttp *http;
	struct httpd_conns *conns;
	struct httpd_listener *listener; /* NULL before listening and after draining */
	struct route *routes;
	size_t nroutes;
	struct request_list open;
	size_t nopen;
	struct metric_family *duration;
};

struct httpd_request {
	unsigned magic;
	TAILQ_ENTRY(httpd_request) link;
	struct httpd *h;         /* NULL: the server was freed first */
	struct httpd_conn *conn; /* NULL once settled */
	struct evhttp_request *ev;
	struct arena *arena;
	struct route *route; /* NULL: no route matched */
	const char *method, *path, *correlation_id;
	struct uri_param params[URI_PARAMS_MAX], *query;
	size_t nparams, nquery;
	int64_t started_us;
	struct event deadline;
	enum problem_code deadline_code;
	void (*on_gone)(void *);
	void *gone_arg;
	bool settled;    /* the client has its answer or left; the owner has not answered */
	bool must_close; /* what follows on this connection cannot be trusted */
	bool body_once;  /* nobody looks at the body after the handler */
};

/* ---- metrics */

static struct metric *duration_of(struct httpd_request *r, int status)
{
	int method = (int)evhttp_request_get_command(r->ev);
	const char *values[3];
	struct series *s = NULL;
	char text[16];

	for (size_t i = 0; r->route != NULL && i < SERIES_CACHED; i++) {
		struct series *at = &r->route->series[i];

		if (at->status == 0) {
			s = at;
			break;
		}
		if (at->method == method && at->status == status)
			return at->duration;
	}
	(void)snprintf(text, sizeof(text), "%d", status);
	values[0] = r->method;
	values[1] = r->route != NULL ? r->route->row->path : "none";
	values[2] = text;
	if (s == NULL)
		return metrics_with(r->h->duration, values);
	*s = (struct series){method, status, metrics_with(r->h->duration, values)};
	return s->duration;
}

static void observe(struct httpd_request *r, int status)
{
	ASSERT(r->h != NULL); /* only what is not settled gets here */
	metric_observe(duration_of(r, status), (double)(clock_mono_us() - r->started_us) / 1e6);
}

/* ---- answers */

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} missing[] = {
		{422, "Unprocessable Content"},
		{428, "Precondition Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
		if (missing[i].status == status)
			return missing[i].reason;
	return NULL; /* evhttp's table has it */
}

static void set_default(struct evhttp_request *ev, const char *name, const char *value)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(ev);

	if (evhttp_find_header(out, name) == NULL)
		(void)evhttp_add_header(out, name, value);
}

static void free_body(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	free(arg);
}

/* taken: the body is the heap's, and given back when it has left. */
static void add_body(struct httpd_request *r, struct slice body, char *taken)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(r->ev);

	if (evhttp_request_get_command(r->ev) == EVHTTP_REQ_HEAD || body.len == 0)
		free(taken);
	else if (taken != NULL)
		(void)evbuffer_add_reference(out, body.ptr, body.len, free_body, taken);
	else
		(void)evbuffer_add(out, body.ptr, body.len);
}

/* Hands the answer to evhttp, which from here on owns r->ev unless it is told to keep it. */
static void send_answer(struct httpd_request *r, int status, const char *content_type,
			struct slice body, char *taken)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(r->ev);
	bool bodyless = status == 204 || status == 304;
	char length[24];

	ASSERT(bodyless || content_type != NULL);
	observe(r, status);
	(void)snprintf(length, sizeof(length), "%zu", body.len);
	if (!bodyless) {
		(void)evhttp_add_header(headers, "Content-Type", content_type);
		(void)evhttp_add_header(headers, "Content-Length", length);
		add_body(r, body, taken);
	} else {
		free(taken);
	}
	set_default(r->ev, "Cache-Control", "no-store");
	set_default(r->ev, "X-Content-Type-Options", "nosniff");
	(void)evhttp_add_header(headers, "X-Correlation-Id", r->correlation_id);
	if (r->must_close || httpd_conns_draining(r->h->conns))
		httpd_set_header(r, "Connection", "close");
	httpd_conn_answered(r->conn);
	r->conn = NULL;
	evhttp_send_reply(r->ev, status, reason_of(status), NULL);
}

static void send_problem(struct httpd_request *r, enum problem_code code, const char *detail,
			 const struct problem_violation *v, size_t n)
{
	struct strbuf body = STRBUF_INIT;
	const struct problem p = {
		.code = code,
		.detail = detail,
		.instance = r->path,
		.correlation_id = r->correlation_id,
		.violations = v,
		.nviolations = n,
	};
	int status = problem_status(code);

	if (status == 429 || status == 503)
		set_default(r->ev, "Retry-After", "1");
	if (status == 401)
		set_default(r->ev, "WWW-Authenticate", "Bearer");
	problem_write(&p, &body);
	send_answer(r, status, "application/problem+json", strbuf_slice(&body), NULL);
	strbuf_clear(&body);
}

/* ---- the end of a request */

static void release(struct httpd_request *r)
{
	if (r->h != NULL) {
		(void)event_del(&r->deadline);
		TAILQ_REMOVE(&r->h->open, r, link);
		r->h->nopen--;
	}
	if (r->settled) {
		/* no connection: evhttp left it to us; "needs free": it is done with it */
		r->ev->flags &= ~EVHTTP_REQ_DEFER_FREE;
		if (evhttp_request_get_connection(r->ev) == NULL ||
		    (r->ev->flags & EVHTTP_REQ_NEEDS_FREE) != 0)
			evhttp_request_free(r->ev);
	}
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
	ASSERT(evhttp_request_get_connection(r->ev) == NULL);
	observe(r, STATUS_GONE);
	r->conn = NULL;
	settle(r);
}

/* r must be settled next. */
static void answer_for_owner(struct httpd_request *r, enum problem_code code, const char *detail)
{
	r->ev->flags |= EVHTTP_REQ_DEFER_FREE;
	send_problem(r, code, detail, NULL, 0);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct httpd_request *r = arg;

	OBJ_CHECK(r, REQUEST_MAGIC);
	(void)fd;
	(void)what;
	answer_for_owner(r, r->deadline_code, "the request was not finished in time");
	settle(r);
}

void httpd_set_header(struct httpd_request *r, const char *name, const char *value)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(r->ev);

	OBJ_CHECK(r, REQUEST_MAGIC);
	for (const char *p = value; *p != '\0'; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return;
	(void)evhttp_remove_header(out, name);
	(void)evhttp_add_header(out, name, value);
}

void httpd_reply(struct httpd_request *r, int status, const char *content_type, struct slice body)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (!r->settled)
		send_answer(r, status, content_type, body, NULL);
	release(r);
}

void httpd_reply_json_taken(struct httpd_request *r, int status, struct strbuf *json)
{
	struct slice body = strbuf_slice(json);
	char *taken = strbuf_take(json);

	OBJ_CHECK(r, REQUEST_MAGIC);
	if (!r->settled)
		send_answer(r, status, "application/json", body, taken);
	else
		free(taken);
	release(r);
}

void httpd_reply_json(struct httpd_request *r, int status, const struct strbuf *json)
{
	ASSERT(!json->overflow);
	httpd_reply(r, status, "application/json", strbuf_slice(json));
}

void httpd_reply_problem(struct httpd_request *r, enum problem_code code, const char *detail)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (!r->settled)
		send_problem(r, code, detail, NULL, 0);
	release(r);
}

void httpd_reply_rejected(struct httpd_request *r, enum problem_code code,
			  const struct problem_violation *v, size_t n)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (!r->settled)
		send_problem(r, code, n > 0 ? v[0].message : NULL, v, n);
	release(r);
}

void httpd_reply_violations(struct httpd_request *r, const struct problem_violation *v, size_t n)
{
	httpd_reply_rejected(r, PROBLEM_VALIDATION_FAILED, v, n);
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
		if (answers(row, r->method)) {
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

static struct httpd_request *request_new(struct httpd *h, struct evhttp_request *ev)
{
	struct arena *arena = arena_new();
	struct httpd_request *r = arena_alloc(arena, sizeof(*r));

	*r = (struct httpd_request){
		.magic = REQUEST_MAGIC,
		.h = h,
		.ev = ev,
		.arena = arena,
		.method = httpd_head_method(ev),
		.correlation_id = httpd_head_correlation_id(ev, arena),
		.started_us = clock_mono_us(),
		.deadline_code = PROBLEM_UNAVAILABLE,
		.must_close = httpd_head_body_unread(ev),
	};
	r->conn = httpd_conn_begin(h->conns, ev, r);
	(void)event_assign(&r->deadline, h->base, -1, 0, on_deadline, r);
	TAILQ_INSERT_TAIL(&h->open, r, link);
	h->nopen++;
	return r;
}

static void arm_deadline(struct httpd_request *r, int64_t ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	(void)event_add(&r->deadline, &tv);
}

/* evhttp: a request has arrived whole. */
static void on_request(struct evhttp_request *ev, void *arg)
{
	struct httpd *h = arg;
	struct httpd_request *r = request_new(h, ev);
	struct httpd_conn *conn = r->conn;
	const struct httpd_route *row;
	const char *fault;

	OBJ_CHECK(h, HTTPD_MAGIC);
	fault = httpd_head_fault(ev);
	if (fault != NULL) {
		r->must_close = true;
		httpd_reply_problem(r, PROBLEM_VALIDATION_FAILED, fault);
		return;
	}
	if (!httpd_head_target(ev, r->arena, &r->path, &r->query, &r->nquery)) {
		httpd_reply_problem(r, PROBLEM_VALIDATION_FAILED,
				    "the request target is not a path and query in UTF-8");
		return;
	}
	if (!find_route(r))
		return;
	row = r->route->row;
	if (evbuffer_get_length(evhttp_request_get_input_buffer(ev)) > row->body_max) {
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
	if (r->body_once) {
		struct evbuffer *in = evhttp_request_get_input_buffer(ev);

		(void)evbuffer_drain(in, evbuffer_get_length(in));
	}
}

const char *httpd_method(const struct httpd_request *r)
{
	return r->method;
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
	return evhttp_find_header(evhttp_request_get_input_headers(r->ev), name);
}

void httpd_each_header(const struct httpd_request *r,
		       void (*fn)(void *arg, const char *name, const char *value), void *arg)
{
	const struct evkeyval *header;

	TAILQ_FOREACH (header, evhttp_request_get_input_headers(r->ev), next)
		fn(arg, header->key, header->value);
}

struct slice httpd_body(struct httpd_request *r)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(r->ev);

	return (struct slice){(const char *)evbuffer_pullup(in, -1), evbuffer_get_length(in)};
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
	h->http = evhttp_new(base);
	ASSERT(h->http != NULL);
	evhttp_set_gencb(h->http, on_request, h);
	evhttp_set_max_headers_size(h->http, (ev_ssize_t)limits->headers_max);
	evhttp_set_max_body_size(h->http, (ev_ssize_t)limits->body_max);
	evhttp_set_allowed_methods(h->http, UINT16_MAX); /* 405 is ours to say */
	/* reads a body that is too large to its end before answering: a client that still writes
	 * would see a reset instead of the answer */
	(void)evhttp_set_flags(h->http, EVHTTP_SERVER_LINGERING_CLOSE);
	h->conns = httpd_conns_new(base, h->http, limits);
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
			answer_for_owner(r, PROBLEM_UNAVAILABLE, "the service is stopping");
		(void)event_del(&r->deadline);
		TAILQ_REMOVE(&h->open, r, link);
		r->h = NULL;
		if (waited_for)
			settle(r);
	}
	httpd_conns_flush(h->conns);
	evhttp_free(h->http);
	httpd_conns_free(h->conns);
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

int httpd_listen(struct httpd *h, const char *addr, char ret_bound[64], struct err *e)
{
	OBJ_CHECK(h, HTTPD_MAGIC);
	ASSERT(h->listener == NULL);
	return httpd_listener_open(h->base, h->http, addr, h->limits.shared, ret_bound,
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
