/*
 * httpd from the outside: raw sockets send what well-behaved and other clients send, on the loop of
 * the server itself.
 */
#include "tests/unit/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/num.h"
#include "common/daemon/metrics.h"
#include "common/http/httpd.h"

#define HOST "Host: h\r\n"

static struct event_base *base;
static struct httpd *server;
static uint16_t port;

/* ---- handlers */

/* What the handler of /later keeps. */
static struct {
	struct httpd_request *request;
	int gone;
	bool answer_when_gone;
} later;

static void on_hello(struct httpd_request *r, void *arg)
{
	httpd_reply(r, 200, "text/plain", slice_of(arg));
}

/* Repeats what it understood. */
static void on_echo(struct httpd_request *r, void *arg)
{
	struct strbuf out = STRBUF_INIT;
	const char *name, *value;

	(void)arg;
	strbuf_appendf(&out, "%s %s route=%s id=%s", httpd_method(r), httpd_path(r),
		       httpd_matched(r)->path,
		       httpd_param(r, "id") != NULL ? httpd_param(r, "id") : "-");
	for (size_t i = 0; httpd_query_at(r, i, &name, &value); i++)
		strbuf_appendf(&out, " %s=%s", name, value);
	strbuf_appendf(&out, " first=%s", httpd_query(r, "p") != NULL ? httpd_query(r, "p") : "-");
	strbuf_append_str(&out, " body=");
	strbuf_append_slice(&out, httpd_body(r));
	ck_assert_ptr_null(httpd_param(r, "nothing"));
	httpd_set_header(r, "Cache-Control", "private");
	httpd_set_header(r, "ETag", "\"1\"");
	httpd_set_header(r, "ETag", "\"2\"");
	httpd_set_header(r, "X-Bad", "a\r\nSet-Cookie: x");
	httpd_reply(r, 201, "text/plain", strbuf_slice(&out));
	strbuf_clear(&out);
}

static void on_big(struct httpd_request *r, void *arg)
{
	struct strbuf out = STRBUF_INIT;

	(void)arg;
	strbuf_appendf(&out, "%zu", httpd_body(r).len);
	httpd_reply(r, 200, "text/plain", strbuf_slice(&out));
	strbuf_clear(&out);
}

static void on_nothing(struct httpd_request *r, void *arg)
{
	(void)arg;
	httpd_reply(r, 204, NULL, SLICE_LIT(""));
}

static void on_fail(struct httpd_request *r, void *arg)
{
	static const struct problem_violation v[] = {{"dateRange.from", "must be a date"}};
	const char *kind = httpd_query(r, "kind");

	(void)arg;
	if (kind == NULL)
		httpd_reply_violations(r, v, 1);
	else if (strcmp(kind, "401") == 0)
		httpd_reply_problem(r, PROBLEM_AUTH_INVALID, NULL);
	else
		httpd_reply_problem(r, PROBLEM_RATE_LIMITED, "slow down");
}

static void on_gone(void *arg)
{
	ck_assert_ptr_eq(arg, &later);
	later.gone++;
	if (later.answer_when_gone) {
		httpd_reply_problem(later.request, PROBLEM_UNAVAILABLE, NULL);
		later.request = NULL;
	}
}

static void on_later(struct httpd_request *r, void *arg)
{
	(void)arg;
	later.request = r;
	if (httpd_query(r, "watch") != NULL)
		httpd_set_gone(r, on_gone, &later);
	if (httpd_query(r, "deadline") != NULL)
		httpd_set_deadline(r, 50, PROBLEM_QUERY_TIMEOUT);
}

static const struct httpd_route routes[] = {
	{.method = "GET", .path = "/hello", .handler = on_hello},
	{.method = "GET", .path = "/items/{id}", .handler = on_echo},
	{.method = "PUT", .path = "/items/{id}", .handler = on_echo, .body_max = 10},
	{.method = "POST", .path = "/items/{id}:compute", .handler = on_echo, .body_max = 100},
	{.method = "POST", .path = "/big", .handler = on_big, .body_max = 1 << 20},
	{.method = "DELETE", .path = "/nothing", .handler = on_nothing},
	{.method = "GET", .path = "/fail", .handler = on_fail},
	{.method = "GET", .path = "/later", .handler = on_later},
	{.method = "POST", .path = "/later", .handler = on_later, .body_max = 1000},
};

static const struct httpd_limits usual = {
	.headers_max = 4096,
	.body_max = 1 << 20,
	.idle_timeout_ms = 20000,
	.deadline_ms = 20000,
	.connections_max = 100,
};

static void start(const struct httpd_limits *limits)
{
	static char hello[] = "hello";
	struct err e = ERR_INIT;
	char bound[64];
	int64_t n;

	(void)signal(SIGPIPE, SIG_IGN);
	memset(&later, 0, sizeof(later));
	base = event_base_new();
	server = httpd_new(base, limits);
	httpd_add_routes(server, routes, ARRAY_SIZE(routes), hello);
	ck_assert_msg(httpd_listen(server, "127.0.0.1:0", bound, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(num_i64(slice_of(bound + strlen("127.0.0.1:")), 1, 65535, &n), 0);
	port = (uint16_t)n;
}

static void setup(void)
{
	start(&usual);
}

static void teardown(void)
{
	httpd_free(server);
	event_base_free(base);
	metrics_free_all();
}

/* ---- clients */

struct peer {
	int fd;
	struct strbuf in;  /* not yet understood */
	struct strbuf out; /* the last response, whole */
	bool bodyless;     /* the request was HEAD */
	bool ended;        /* end of file or reset */
};

static struct peer peer_open(void)
{
	struct peer p = {.in = STRBUF_INIT, .out = STRBUF_INIT};
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	p.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(p.fd, 0);
	ck_assert_int_eq(connect(p.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return p;
}

static void peer_close(struct peer *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
	strbuf_clear(&p->in);
	strbuf_clear(&p->out);
}

static void peer_send(struct peer *p, const char *text)
{
	ck_assert_int_eq(send(p->fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void peer_read(struct peer *p)
{
	char chunk[65536];
	ssize_t n;

	while ((n = recv(p->fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0)
		strbuf_append(&p->in, chunk, (size_t)n);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		p->ended = true;
}

/* Moves one whole response from in to out. */
static bool peer_answered(void *arg)
{
	struct peer *p = arg;
	const char *end, *field;
	struct strbuf rest = STRBUF_INIT;
	size_t head;
	int64_t len = 0;

	peer_read(p);
	end = strstr(strbuf_cstr(&p->in), "\r\n\r\n");
	if (end == NULL)
		return false;
	head = (size_t)(end - p->in.ptr) + 4;
	field = strcasestr(strbuf_cstr(&p->in), "\r\nContent-Length: ");
	if (field != NULL && field < end && !p->bodyless)
		ck_assert_int_eq(num_i64((struct slice){field + 18, strcspn(field + 18, "\r")}, 0,
					 INT32_MAX, &len),
				 0);
	head += (size_t)len;
	if (p->in.len < head)
		return false;
	strbuf_reset(&p->out);
	strbuf_append(&p->out, p->in.ptr, head);
	strbuf_append(&rest, p->in.ptr + head, p->in.len - head);
	strbuf_clear(&p->in);
	p->in = rest;
	return true;
}

static bool peer_ended(void *arg)
{
	struct peer *p = arg;

	peer_read(p);
	return p->ended;
}

static const char *answer(struct peer *p)
{
	loop_until(base, peer_answered, p);
	return strbuf_cstr(&p->out);
}

static const char *ask(struct peer *p, const char *request)
{
	p->bodyless = strncmp(request, "HEAD ", 5) == 0;
	peer_send(p, request);
	return answer(p);
}

#define assert_has(text, part)                                                         \
	do {                                                                           \
		const char *t_ = (text);                                               \
		ck_assert_msg(strstr(t_, (part)) != NULL, "no %s in: %s", (part), t_); \
	} while (0)

static void assert_problem(const char *response, int status, const char *code)
{
	char text[16];

	(void)snprintf(text, sizeof(text), " %d ", status);
	ck_assert_msg(strncmp(response, "HTTP/1.", 7) == 0 &&
			      strncmp(response + 8, text, strlen(text)) == 0,
		      "not %d: %s", status, response);
	assert_has(response, "\r\nContent-Type: application/problem+json\r\n");
	assert_has(response, "\r\nX-Correlation-Id: ");
	assert_has(response, "\r\nCache-Control: no-store\r\n");
	assert_has(response, code);
}

/* ---- what handlers see and clients get */

START_TEST(test_answer)
{
	struct peer p = peer_open();
	const char *r = ask(&p,
			    "GET /hello HTTP/1.1\r\n" HOST "X-Correlation-Id: cor_1.a:b-c\r\n\r\n");

	ck_assert_int_eq(strncmp(r, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_has(r, "\r\nContent-Type: text/plain\r\n");
	assert_has(r, "\r\nContent-Length: 5\r\n");
	assert_has(r, "\r\nX-Correlation-Id: cor_1.a:b-c\r\n");
	assert_has(r, "\r\nCache-Control: no-store\r\n");
	assert_has(r, "\r\nX-Content-Type-Options: nosniff\r\n");
	assert_has(r, "\r\nDate: ");
	assert_has(r, "\r\n\r\nhello");
	/* the same connection goes on; a bad id is replaced */
	r = ask(&p, "GET /hello HTTP/1.1\r\n" HOST "X-Correlation-Id: a b\r\n\r\n");
	assert_has(r, "\r\nX-Correlation-Id: cor_");
	r = ask(&p, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_has(r, "\r\nContent-Length: 5\r\n");
	ck_assert_str_eq(strstr(r, "\r\n\r\n"), "\r\n\r\n");
	r = ask(&p, "DELETE /nothing HTTP/1.1\r\n" HOST "\r\n");
	assert_has(r, "HTTP/1.1 204 ");
	ck_assert_ptr_null(strstr(r, "Content-Length"));
	ck_assert_ptr_null(strstr(r, "Content-Type:"));
	/* two at once are answered in order */
	peer_send(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\nGET /items/2 HTTP/1.1\r\n" HOST "\r\n");
	assert_has(answer(&p), "hello");
	assert_has(answer(&p), "id=2");
	ck_assert_uint_eq(httpd_open_requests(server), 0);
	r = ask(&p, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	assert_has(r, "\r\nConnection: close\r\n");
	loop_until(base, peer_ended, &p);
	peer_close(&p);
}
END_TEST

static const struct {
	const char *request, *answer;
} routed[] = {
	{"GET /items/7", "GET /items/7 route=/items/{id} id=7 first=- body="},
	{"GET /items/a%20b?p=1&q=x+y&p=%32", "id=a b p=1 q=x y p=2 first=1"},
	{"POST /items/adr:compute", "route=/items/{id}:compute id=adr"},
	{"POST /items/adr%3Acompute", "POST /items/adr:compute route=/items/{id}:compute id=adr"},
	{"PUT /items/x?", "route=/items/{id} id=x first="},
	{"GET http://h/items/9?p=2", "GET /items/9 route=/items/{id} id=9 p=2"},
	{"GET /items/%C3%A9", "id=\xc3\xa9"},
};

START_TEST(test_routing)
{
	struct peer p = peer_open();
	char request[200];
	const char *r;

	(void)snprintf(request, sizeof(request), "%s HTTP/1.1\r\n" HOST "\r\n", routed[_i].request);
	r = ask(&p, request);
	assert_has(r, "HTTP/1.1 201 ");
	assert_has(r, routed[_i].answer);
	assert_has(r, "\r\nCache-Control: private\r\n");
	assert_has(r, "\r\nETag: \"2\"\r\n");
	ck_assert_ptr_null(strstr(r, "no-store"));
	ck_assert_ptr_null(strstr(r, "\"1\""));
	ck_assert_ptr_null(strstr(r, "Set-Cookie"));
	peer_close(&p);
}
END_TEST

static const struct {
	const char *request;
	int status;
	const char *has;
} refused[] = {
	{"GET / HTTP/1.1", 404, "MELMASTOON.GENERAL.RESOURCE_NOT_FOUND"},
	{"GET /hello/ HTTP/1.1", 404, "\"instance\":\"/hello/\""},
	{"GET //hello HTTP/1.1", 404, "RESOURCE_NOT_FOUND"},
	{"GET /items/ HTTP/1.1", 404, "RESOURCE_NOT_FOUND"},
	{"POST /hello HTTP/1.1", 405, "\r\nAllow: GET, HEAD\r\n"},
	{"DELETE /items/1 HTTP/1.1", 405, "\r\nAllow: GET, HEAD, PUT\r\n"},
	{"GET /items/1:compute HTTP/1.1", 405, "\r\nAllow: POST\r\n"},
	{"PATCH /hello HTTP/1.1", 405, "METHOD_NOT_ALLOWED"},
	{"BREW /hello HTTP/1.1", 405, "METHOD_NOT_ALLOWED"},
	{"OPTIONS * HTTP/1.1", 400, "VALIDATION_FAILED"},
	{"GET /items/%zz HTTP/1.1", 400, "VALIDATION_FAILED"},
	{"GET /items/%00 HTTP/1.1", 400, "VALIDATION_FAILED"},
	{"GET /items/%ff HTTP/1.1", 400, "VALIDATION_FAILED"},
	{"GET /items/a%2Fb HTTP/1.1", 400, "VALIDATION_FAILED"},
	{"GET /hello?a=%f HTTP/1.1", 400, "VALIDATION_FAILED"},
	{"GET /fail HTTP/1.1", 400, "\"violations\":[{\"field\":\"dateRange.from\""},
	{"GET /fail?kind=401 HTTP/1.1", 401, "\r\nWWW-Authenticate: Bearer\r\n"},
	{"GET /fail?kind=429 HTTP/1.1", 429, "\r\nRetry-After: 1\r\n"},
};

START_TEST(test_refused)
{
	struct peer p = peer_open();
	char request[200];
	const char *r;

	(void)snprintf(request, sizeof(request), "%s\r\n" HOST "X-Correlation-Id: me\r\n\r\n",
		       refused[_i].request);
	r = ask(&p, request);
	assert_problem(r, refused[_i].status, refused[_i].has);
	assert_has(r, "\"correlationId\":\"me\"");
	/* none of these costs the connection */
	assert_has(ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_close(&p);
}
END_TEST

/* Requests that another reader might take differently. What follows must not be taken for a second
 * request. */
static const struct {
	const char *request;
	int status;
} doubtful[] = {
	{"GET /hello HTTP/1.1\r\n\r\n", 400},
	{"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
	{"POST /big HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 400},
	{"POST /big HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400},
	{"POST /big HTTP/1.1\r\n" HOST
	 "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	 400},
	{"POST /big HTTP/1.1\r\n" HOST "Content-Length: +2\r\n\r\nab", 400},
	{"POST /big HTTP/1.1\r\n" HOST "Content-Length: -2\r\n\r\nab", 400},
	{"POST /big HTTP/1.1\r\n" HOST "Content-Length: 2x\r\n\r\nab", 400},
	{"POST /big HTTP/1.1\r\n" HOST "Content-Length : 2\r\n\r\nab", 400},
	{"POST /big HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
	{"POST /big HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 400},
	{"POST /big HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"POST /big HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 413},
	{"GET /hello HTTP/1.1\r\n" HOST "B@d: x\r\n\r\n", 400},
	{"GET /hello HTTP/1.1\r\n" HOST "no colon\r\n\r\n", 400},
	{"GET /hello HTTP/1.1\r\n: x\r\n\r\n", 400},
	{"GET /hello HTTP/2.0\r\n" HOST "\r\n", 400},
	{"GET /hello\r\n" HOST "\r\n", 400},
	{"hello\r\n\r\n", 400},
	{"\x16\x03\x01 a TLS hello\r\n\r\n", 400},
	{"POST /big HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: miracles\r\n\r\nab", 400},
};

START_TEST(test_doubtful)
{
	struct peer p = peer_open();
	char request[400];
	const char *r;

	/* as the first request of a connection, and behind another */
	if (_i % 2 == 1)
		(void)ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	(void)snprintf(request, sizeof(request), "%sGET /hello HTTP/1.1\r\n" HOST "\r\n",
		       doubtful[_i / 2].request);
	r = ask(&p, request);
	assert_problem(r, doubtful[_i / 2].status, "MELMASTOON.GENERAL.");
	assert_has(r, "\r\nConnection: close\r\n");
	loop_until(base, peer_ended, &p);
	ck_assert_uint_eq(p.in.len, 0);
	peer_close(&p);
}
END_TEST

/* The body of HEAD is a body, and never the next request. */
START_TEST(test_head_with_body)
{
	struct peer p = peer_open();
	const char *r = ask(&p, "HEAD /hello HTTP/1.1\r\n" HOST "Content-Length: 41\r\n\r\n"
				"GET /items/smuggled HTTP/1.1\r\n" HOST "\r\n");

	assert_has(r, "HTTP/1.1 413 ");
	assert_has(ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	ck_assert_uint_eq(p.in.len, 0);
	peer_close(&p);
}
END_TEST

/* ---- sizes */

START_TEST(test_bodies)
{
	struct peer p = peer_open();
	struct strbuf big = STRBUF_INIT;

	assert_has(ask(&p, "PUT /items/1 HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789"),
		   "body=0123456789");
	assert_problem(
		ask(&p, "PUT /items/1 HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n01234567890"),
		413, "at most 10 bytes");
	assert_problem(ask(&p, "GET /hello HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"), 413,
		       "PAYLOAD_TOO_LARGE");
	assert_has(ask(&p, "PUT /items/1 HTTP/1.1\r\n" HOST
			   "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
		   "body=abcde");
	/* one byte at a time is as good */
	for (const char *c = "GET /items/drip HTTP/1.1\r\n" HOST "\r\n"; *c != '\0'; c++) {
		char one[2] = {*c, '\0'};

		peer_send(&p, one);
		loop_for(base, 1);
	}
	assert_has(answer(&p), "id=drip");

	strbuf_append_str(&big, "POST /big HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n");
	for (int i = 0; i < 1 << 20; i++)
		strbuf_append_char(&big, 'x');
	assert_has(ask(&p, strbuf_cstr(&big)), "\r\n\r\n1048576");
	strbuf_clear(&big);
	peer_close(&p);
}
END_TEST

/* Sends as much as the socket takes. */
struct flood {
	struct peer *p;
	size_t left, sent;
};

static bool flooded(void *arg)
{
	static const char zeros[65536];
	struct flood *f = arg;

	while (f->left > 0) {
		size_t n = f->left < sizeof(zeros) ? f->left : sizeof(zeros);
		ssize_t sent = send(f->p->fd, zeros, n, MSG_DONTWAIT);

		if (sent < 0)
			break;
		f->left -= (size_t)sent;
		f->sent += (size_t)sent;
	}
	return f->left == 0;
}

/* Larger than any route takes: read to its end, so that the client sees the answer and no reset. */
START_TEST(test_body_too_large)
{
	struct peer p = peer_open();
	struct flood f = {.p = &p, .left = 20000000};

	peer_send(&p, "POST /big HTTP/1.1\r\n" HOST "Content-Length: 20000000\r\n\r\n");
	loop_until(base, flooded, &f);
	assert_problem(answer(&p), 413, "PAYLOAD_TOO_LARGE");
	loop_until(base, peer_ended, &p);
	peer_close(&p);

	p = peer_open();
	peer_send(&p, "POST /big HTTP/1.1\r\n" HOST
		      "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	ck_assert_str_eq(answer(&p), "HTTP/1.1 100 Continue\r\n\r\n");
	assert_has(ask(&p, "abc"), "\r\n\r\n3");
	peer_close(&p);

	p = peer_open();
	peer_send(&p, "POST /big HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n200000\r\n");
	assert_problem(answer(&p), 413, "PAYLOAD_TOO_LARGE");
	peer_close(&p);
}
END_TEST

START_TEST(test_head_too_large)
{
	static const char *const starts[] = {
		"GET /", "GET / HTTP/1.1\r\nX: ", "GET / HTTP/1.1\r\n" HOST "X: y\r\nZ: "};
	struct strbuf request = STRBUF_INIT;
	struct peer p = peer_open();

	strbuf_append_str(&request, starts[_i]);
	for (int i = 0; i < 5000; i++)
		strbuf_append_char(&request, 'x');
	assert_problem(ask(&p, strbuf_cstr(&request)), 431, "HEADERS_TOO_LARGE");
	loop_until(base, peer_ended, &p);
	strbuf_clear(&request);
	peer_close(&p);
}
END_TEST

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* A trace goes back when it is one, whatever the answer. */
START_TEST(test_traceparent)
{
	struct peer p = peer_open();

	assert_has(ask(&p, "GET /hello HTTP/1.1\r\n" HOST "TraceParent: " TRACEPARENT "\r\n\r\n"),
		   "\r\ntraceparent: " TRACEPARENT "\r\n");
	assert_has(ask(&p, "GET /no HTTP/1.1\r\n" HOST "traceparent: " TRACEPARENT "\r\n\r\n"),
		   "\r\ntraceparent: " TRACEPARENT "\r\n");
	ck_assert_ptr_null(strstr(
		ask(&p, "GET /hello HTTP/1.1\r\n" HOST "traceparent: " TRACEPARENT "x\r\n\r\n"),
		"traceparent"));
	peer_close(&p);
}
END_TEST

/* The server's own field is on every answer: a handler's, a refusal, and what is no request. */
START_TEST(test_usual_field)
{
	static const char *const requests[] = {
		"GET /hello HTTP/1.1\r\n" HOST "\r\n",
		"GET /none HTTP/1.1\r\n" HOST "\r\n",
		"PUT /hello HTTP/1.1\r\n" HOST "\r\n",
		"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"hello\r\n\r\n",
	};
	struct httpd_limits l = usual;

	l.usual_name = "X-Left";
	l.usual_value = "7";
	start(&l);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct peer p = peer_open();

		assert_has(ask(&p, requests[i]), "\r\nX-Left: 7\r\n");
		peer_close(&p);
	}
	teardown();
}
END_TEST

/* All requests together are bounded, too. */
START_TEST(test_held_max)
{
	struct httpd_limits l = usual;
	struct peer p[2];
	struct flood f[2];

	l.held_max = 1500000;
	start(&l);
	for (int i = 0; i < 2; i++) {
		p[i] = peer_open();
		f[i] = (struct flood){.p = &p[i], .left = 1000000};
		peer_send(&p[i], "POST /big HTTP/1.1\r\n" HOST "Content-Length: 1000001\r\n\r\n");
	}
	loop_until(base, flooded, &f[0]);
	loop_for(base, 20);
	(void)loop_try(base, flooded, &f[1], 1000);
	assert_problem(answer(&p[1]), 503, "\r\nRetry-After: 1\r\n");
	peer_send(&p[0], "x");
	assert_has(answer(&p[0]), "1000001");
	peer_close(&p[1]);
	/* given back */
	p[1] = peer_open();
	f[1].left = 1000000;
	peer_send(&p[1], "POST /big HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
	loop_until(base, flooded, &f[1]);
	assert_has(answer(&p[1]), "1000000");
	peer_close(&p[0]);
	peer_close(&p[1]);
	teardown();
}
END_TEST

/* ---- time */

static bool later_open(void *arg)
{
	(void)arg;
	return later.request != NULL;
}

static bool later_gone(void *arg)
{
	(void)arg;
	return later.gone > 0;
}

static void reply_later(const char *text)
{
	httpd_reply(later.request, 200, "text/plain", slice_of(text));
	later.request = NULL;
}

START_TEST(test_deferred)
{
	struct peer p = peer_open();

	peer_send(&p, "GET /later?watch HTTP/1.1\r\n" HOST "\r\n");
	loop_until(base, later_open, NULL);
	ck_assert_uint_eq(httpd_open_requests(server), 1);
	/* the next request may come before the answer; it waits */
	peer_send(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	loop_for(base, 20);
	ck_assert_int_eq(later.gone, 0);
	reply_later("at last");
	ck_assert_uint_eq(httpd_open_requests(server), 0);
	assert_has(answer(&p), "at last");
	assert_has(answer(&p), "hello");
	peer_close(&p);
}
END_TEST

START_TEST(test_deadline)
{
	struct httpd_limits l = usual;
	struct peer p;

	l.deadline_ms = 60;
	start(&l);
	p = peer_open();
	assert_problem(ask(&p, "GET /later?watch HTTP/1.1\r\n" HOST "X-Correlation-Id: x\r\n\r\n"),
		       503, "\r\nRetry-After: 1\r\n");
	ck_assert_int_eq(later.gone, 1);
	/* the connection goes on before the owner answers, who still sees his request */
	assert_has(ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	ck_assert_str_eq(httpd_header(later.request, "x-correlation-id"), "x");
	ck_assert_str_eq(httpd_path(later.request), "/later");
	reply_later("too late");
	/* a deadline of the handler's own, with a body that stays */
	assert_problem(
		ask(&p, "POST /later?deadline HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody"),
		504, "QUERY_TIMEOUT");
	ck_assert(slice_eq_str(httpd_body(later.request), "body"));
	/* the client may go before the owner answers, too */
	peer_close(&p);
	loop_for(base, 20);
	ck_assert(slice_eq_str(httpd_body(later.request), "body"));
	reply_later("too late");
	teardown();
}
END_TEST

/* The client leaves while its request is open: known within a second. */
static void leave(bool reset, bool answer_when_gone)
{
	const struct linger hard = {1, 0};
	struct peer p = peer_open();
	int64_t left_at;

	later.answer_when_gone = answer_when_gone;
	peer_send(&p, "POST /later?watch HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody");
	loop_until(base, later_open, NULL);
	loop_for(base, 20);
	ck_assert_int_eq(later.gone, 0);
	if (reset)
		(void)setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	peer_close(&p);
	left_at = clock_mono_ms();
	loop_until(base, later_gone, NULL);
	ck_assert_int_lt(clock_mono_ms() - left_at, 1000);
	ck_assert_int_eq(later.gone, 1);
	if (!answer_when_gone) {
		ck_assert(slice_eq_str(httpd_body(later.request), "body"));
		ck_assert_uint_eq(httpd_open_requests(server), 1);
		reply_later("nobody hears this");
	}
	ck_assert_uint_eq(httpd_open_requests(server), 0);
	loop_for(base, 20);
	ck_assert_int_eq(later.gone, 1);
}

START_TEST(test_client_leaves)
{
	leave(_i & 1, _i & 2);
}
END_TEST

/* Nobody watches: the answer goes nowhere, without harm. */
START_TEST(test_client_leaves_unwatched)
{
	struct peer p = peer_open();

	peer_send(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
	loop_until(base, later_open, NULL);
	peer_close(&p);
	loop_for(base, 20);
	reply_later("nobody hears this");
	loop_for(base, 20);
	p = peer_open();
	assert_has(ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_close(&p);
}
END_TEST

/* A client that shuts down its sending side and waits is served, unless the handler watches. */
START_TEST(test_half_closed)
{
	struct peer p = peer_open();

	peer_send(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
	ck_assert_int_eq(shutdown(p.fd, SHUT_WR), 0);
	loop_until(base, later_open, NULL);
	loop_for(base, 20);
	reply_later("still here");
	assert_has(answer(&p), "still here");
	loop_until(base, peer_ended, &p);
	peer_close(&p);
}
END_TEST

static const struct httpd_limits hasty = {
	.headers_max = 1 << 20,
	.body_max = 1 << 20,
	.idle_timeout_ms = 200,
	.deadline_ms = 20000,
	.connections_max = 100,
};

/* Time-outs of reading: what was sent so far, and whether it is answered or just closed. */
static const struct {
	const char *sent;
	bool answered;
} slow[] = {
	{"", false},
	{"G", true},
	{"GET /hello HTTP/1.1\r\n" HOST, true},
	{"POST /big HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n123", true},
	{"POST /big HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nab", true},
	{"POST /big HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n123", true},
};

START_TEST(test_slow_client)
{
	struct peer p;
	int64_t begun;

	start(&hasty);
	p = peer_open();
	peer_send(&p, slow[_i].sent);
	begun = clock_mono_ms();
	if (slow[_i].answered)
		assert_problem(answer(&p), 408, "REQUEST_TIMEOUT");
	loop_until(base, peer_ended, &p);
	ck_assert_int_ge(clock_mono_ms() - begun, 150);
	ck_assert_int_lt(clock_mono_ms() - begun, 5000);
	ck_assert_uint_eq(p.in.len, 0);
	peer_close(&p);
	teardown();
}
END_TEST

static bool dripped(void *arg)
{
	struct peer *p = arg;

	peer_read(p);
	(void)send(p->fd, "x", 1, MSG_DONTWAIT);
	return p->ended;
}

/* A byte now and then does not buy more time. */
START_TEST(test_drip)
{
	struct peer p;

	start(&hasty);
	p = peer_open();
	peer_send(&p, "GET /hello HTTP/1.1\r\nX: ");
	loop_until(base, dripped, &p);
	assert_has(strbuf_cstr(&p.in), "HTTP/1.1 408 ");
	peer_close(&p);
	teardown();
}
END_TEST

/* The time-outs of reading do not touch a request that is open, nor the next one. */
START_TEST(test_slow_handler)
{
	struct peer p;

	start(&hasty);
	p = peer_open();
	peer_send(&p, "GET /later?watch HTTP/1.1\r\n" HOST "\r\n");
	loop_for(base, 500);
	ck_assert_int_eq(later.gone, 0);
	reply_later("done");
	assert_has(answer(&p), "done");
	assert_has(ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	loop_until(base, peer_ended, &p);
	peer_close(&p);
	teardown();
}
END_TEST

/* ---- many */

START_TEST(test_connections_max)
{
	struct httpd_limits l = usual;
	struct peer p[3];

	l.connections_max = 2;
	start(&l);
	for (int i = 0; i < 2; i++) {
		p[i] = peer_open();
		assert_has(ask(&p[i], "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	}
	p[2] = peer_open();
	assert_problem(answer(&p[2]), 503, "too many connections");
	loop_until(base, peer_ended, &p[2]);
	peer_close(&p[2]);
	assert_has(ask(&p[0], "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_close(&p[1]);
	loop_for(base, 20);
	p[2] = peer_open();
	assert_has(ask(&p[2], "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_close(&p[0]);
	peer_close(&p[2]);
	teardown();
}
END_TEST

/* Out of descriptors: connections wait, and are served when there are some again. */
START_TEST(test_out_of_descriptors)
{
	struct rlimit old, low;
	struct peer p = peer_open();
	int next = dup(p.fd);

	assert_has(ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_close(&p);
	p = peer_open();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)next; /* every number below is taken */
	while (dup(next) >= 0 && dup(next) < next + 8)
		;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	peer_send(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	ck_assert(!loop_try(base, peer_answered, &p, 300));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_has(answer(&p), "hello");
	peer_close(&p);
	(void)close(next);
}
END_TEST

/* While a request is open, what the client sends on is not taken into memory. */
START_TEST(test_read_ahead)
{
	struct peer p = peer_open();
	struct flood f = {.p = &p, .left = (size_t)64 << 20};

	peer_send(&p, "GET /later?watch HTTP/1.1\r\n" HOST "\r\n");
	loop_until(base, later_open, NULL);
	ck_assert(!loop_try(base, flooded, &f, 300));
	ck_assert_uint_lt(f.sent, (size_t)32 << 20); /* the kernel's buffers */
	reply_later("done");
	peer_close(&p);
	loop_for(base, 20);
}
END_TEST

/* A large answer to a client that reads slowly arrives whole. */
START_TEST(test_large_answer)
{
	struct peer p = peer_open();
	struct strbuf body = STRBUF_INIT;

	for (int i = 0; i < 8 << 20; i++)
		strbuf_append_char(&body, (char)('a' + i % 26));
	peer_send(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
	loop_until(base, later_open, NULL);
	reply_later(strbuf_cstr(&body));
	loop_for(base, 50);
	ck_assert_str_eq(strstr(answer(&p), "\r\n\r\n") + 4, strbuf_cstr(&body));
	strbuf_clear(&body);
	peer_close(&p);
}
END_TEST

START_TEST(test_metrics)
{
	struct peer p = peer_open();
	struct strbuf text = STRBUF_INIT;

	for (int i = 0; i < 3; i++)
		(void)ask(&p, "GET /items/7 HTTP/1.1\r\n" HOST "\r\n");
	(void)ask(&p, "GET /secret/path HTTP/1.1\r\n" HOST "\r\n");
	metrics_write(&text);
	assert_has(strbuf_cstr(&text), "http_server_request_duration_seconds_count{method=\"GET\","
				       "route=\"/items/{id}\",status=\"201\"} 3\n");
	assert_has(strbuf_cstr(&text), "route=\"none\",status=\"404\"} 1\n");
	assert_has(strbuf_cstr(&text), "http_server_connections 1\n");
	ck_assert_ptr_null(strstr(strbuf_cstr(&text), "secret"));
	strbuf_clear(&text);
	peer_close(&p);
}
END_TEST

/* ---- the end */

static void on_idle(void *arg)
{
	*(bool *)arg = true;
}

static bool is_true(void *arg)
{
	return *(bool *)arg;
}

START_TEST(test_drain)
{
	struct peer idle = peer_open(), begun = peer_open(), open = peer_open();
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	bool done = false;
	int fd;

	assert_has(ask(&idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_send(&begun, "GET /hello HT");
	peer_send(&open, "GET /later HTTP/1.1\r\n" HOST "\r\n");
	loop_until(base, later_open, NULL);
	loop_for(base, 20);
	httpd_drain(server, on_idle, &done);
	loop_until(base, peer_ended, &idle);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_lt(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)close(fd);
	ck_assert(!done);
	assert_has(ask(&begun, "TP/1.1\r\n" HOST "\r\n"), "\r\nConnection: close\r\n");
	loop_until(base, peer_ended, &begun);
	ck_assert(!done);
	reply_later("finished");
	assert_has(answer(&open), "finished");
	loop_until(base, peer_ended, &open);
	loop_until(base, is_true, &done);
	peer_close(&idle);
	peer_close(&begun);
	peer_close(&open);
}
END_TEST

START_TEST(test_drain_idle)
{
	bool done = false;

	httpd_drain(server, on_idle, &done);
	ck_assert(!done); /* from the loop only */
	loop_until(base, is_true, &done);
}
END_TEST

/* Freed with a request open: the client gets 503 and the owner may answer afterwards. */
START_TEST(test_free_with_open_request)
{
	struct peer p, accepted;

	start(&usual);
	p = peer_open();
	peer_send(&p, _i == 0 ? "GET /later?watch HTTP/1.1\r\n" HOST "\r\n"
			      : "GET /later HTTP/1.1\r\n" HOST "\r\n");
	loop_until(base, later_open, NULL);
	accepted = peer_open();
	httpd_free(server);
	ck_assert_int_eq(later.gone, _i == 0);
	event_base_free(base);
	reply_later("too late");
	peer_read(&p);
	assert_problem(strbuf_cstr(&p.in), 503, "the service is stopping");
	peer_close(&accepted);
	peer_close(&p);
	metrics_free_all();
	httpd_free(NULL);
}
END_TEST

START_TEST(test_listen_errors)
{
	struct httpd *other = httpd_new(base, &usual);
	struct err e = ERR_INIT;
	char addr[64], bound[64];

	(void)snprintf(addr, sizeof(addr), "127.0.0.1:%d", port);
	ck_assert_int_eq(httpd_listen(other, addr, bound, &e), -EADDRINUSE);
	assert_has(e.msg, addr);
	ck_assert_int_eq(httpd_listen(other, "8080", bound, &e), -EINVAL);
	ck_assert_int_lt(httpd_listen(other, "no-such-host.invalid:80", bound, &e), 0);
	ck_assert_int_lt(httpd_listen(other, "127.0.0.1:http-alt?", bound, &e), 0);
	ck_assert_int_eq(httpd_listen(other, "[::1]:0", bound, &e), 0);
	ck_assert_int_eq(strncmp(bound, "[::1]:", 6), 0);
	httpd_free(other);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("httpd");
	TCase *tc = tcase_create("usual limits"), *own = tcase_create("limits of their own");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_answer);
	tcase_add_test(tc, test_traceparent);
	tcase_add_loop_test(tc, test_routing, 0, (int)ARRAY_SIZE(routed));
	tcase_add_loop_test(tc, test_refused, 0, (int)ARRAY_SIZE(refused));
	tcase_add_loop_test(tc, test_doubtful, 0, 2 * (int)ARRAY_SIZE(doubtful));
	tcase_add_test(tc, test_head_with_body);
	tcase_add_test(tc, test_bodies);
	tcase_add_test(tc, test_body_too_large);
	tcase_add_loop_test(tc, test_head_too_large, 0, 3);
	tcase_add_test(tc, test_deferred);
	tcase_add_loop_test(tc, test_client_leaves, 0, 4);
	tcase_add_test(tc, test_client_leaves_unwatched);
	tcase_add_test(tc, test_half_closed);
	tcase_add_test(tc, test_out_of_descriptors);
	tcase_add_test(tc, test_read_ahead);
	tcase_add_test(tc, test_large_answer);
	tcase_add_test(tc, test_metrics);
	tcase_add_test(tc, test_drain);
	tcase_add_test(tc, test_drain_idle);
	tcase_add_test(tc, test_listen_errors);
	suite_add_tcase(s, tc);
	tcase_set_timeout(own, 60);
	tcase_add_test(own, test_usual_field);
	tcase_add_test(own, test_held_max);
	tcase_add_test(own, test_deadline);
	tcase_add_loop_test(own, test_slow_client, 0, (int)ARRAY_SIZE(slow));
	tcase_add_test(own, test_drip);
	tcase_add_test(own, test_slow_handler);
	tcase_add_test(own, test_connections_max);
	tcase_add_loop_test(own, test_free_with_open_request, 0, 2);
	suite_add_tcase(s, own);
	return unit_main(s);
}
