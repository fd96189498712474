/* The server and the clients of the tests of httpd; see httpdfixture.h. */
#include "tests/unit/httpdfixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/num.h"
#include "common/daemon/metrics.h"

struct event_base *web_base;
struct httpd *web_server;
uint16_t web_port;

/* ---- handlers */

struct later later;

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

const struct httpd_limits usual = {
	.headers_max = 4096,
	.body_max = 1 << 20,
	.idle_timeout_ms = 20000,
	.deadline_ms = 20000,
	.connections_max = 100,
};

void fixture_start(const struct httpd_limits *limits)
{
	static char hello[] = "hello";
	struct err e = ERR_INIT;
	char bound[64];
	int64_t n;

	(void)signal(SIGPIPE, SIG_IGN);
	memset(&later, 0, sizeof(later));
	web_base = event_base_new();
	web_server = httpd_new(web_base, limits);
	httpd_add_routes(web_server, routes, ARRAY_SIZE(routes), hello);
	ck_assert_msg(httpd_listen(web_server, "127.0.0.1:0", bound, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(num_i64(slice_of(bound + strlen("127.0.0.1:")), 1, 65535, &n), 0);
	web_port = (uint16_t)n;
}

void fixture_setup(void)
{
	fixture_start(&usual);
}

void fixture_teardown(void)
{
	httpd_free(web_server);
	event_base_free(web_base);
	metrics_free_all();
}

/* ---- clients */

struct peer peer_open(void)
{
	struct peer p = {.in = STRBUF_INIT, .out = STRBUF_INIT};
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(web_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	p.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(p.fd, 0);
	ck_assert_int_eq(connect(p.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return p;
}

void peer_close(struct peer *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
	strbuf_clear(&p->in);
	strbuf_clear(&p->out);
}

void peer_send(struct peer *p, const char *text)
{
	ck_assert_int_eq(send(p->fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

void peer_read(struct peer *p)
{
	char chunk[65536];
	ssize_t n;

	while ((n = recv(p->fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0)
		strbuf_append(&p->in, chunk, (size_t)n);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		p->ended = true;
}

/* Moves one whole response from in to out. */
bool peer_answered(void *arg)
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

bool peer_ended(void *arg)
{
	struct peer *p = arg;

	peer_read(p);
	return p->ended;
}

const char *peer_answer(struct peer *p)
{
	loop_until(web_base, peer_answered, p);
	return strbuf_cstr(&p->out);
}

const char *peer_ask(struct peer *p, const char *request)
{
	p->bodyless = strncmp(request, "HEAD ", 5) == 0;
	peer_send(p, request);
	return peer_answer(p);
}

void assert_problem(const char *response, int status, const char *code)
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

/* Sends as much as the socket takes. */
bool flooded(void *arg)
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

/* ---- the request that /later keeps */

bool later_open(void *arg)
{
	(void)arg;
	return later.request != NULL;
}

bool later_gone(void *arg)
{
	(void)arg;
	return later.gone > 0;
}

void reply_later(const char *text)
{
	httpd_reply(later.request, 200, "text/plain", slice_of(text));
	later.request = NULL;
}
