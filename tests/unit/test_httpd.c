/* httpd: what handlers see of a request, what clients get, and what is refused. */
#include "tests/unit/httpdfixture.h"

#include "common/daemon/metrics.h"

/* ---- what handlers see and clients get */

START_TEST(test_answer)
{
	struct peer p = peer_open();
	const char *r = peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST
				     "X-Correlation-Id: cor_1.a:b-c\r\n\r\n");

	ck_assert_int_eq(strncmp(r, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_has(r, "\r\nContent-Type: text/plain\r\n");
	assert_has(r, "\r\nContent-Length: 5\r\n");
	assert_has(r, "\r\nX-Correlation-Id: cor_1.a:b-c\r\n");
	assert_has(r, "\r\nCache-Control: no-store\r\n");
	assert_has(r, "\r\nX-Content-Type-Options: nosniff\r\n");
	assert_has(r, "\r\nDate: ");
	assert_has(r, "\r\n\r\nhello");
	/* the same connection goes on; a bad id is replaced */
	r = peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "X-Correlation-Id: a b\r\n\r\n");
	assert_has(r, "\r\nX-Correlation-Id: cor_");
	r = peer_ask(&p, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_has(r, "\r\nContent-Length: 5\r\n");
	ck_assert_str_eq(strstr(r, "\r\n\r\n"), "\r\n\r\n");
	r = peer_ask(&p, "DELETE /nothing HTTP/1.1\r\n" HOST "\r\n");
	assert_has(r, "HTTP/1.1 204 ");
	ck_assert_ptr_null(strstr(r, "Content-Length"));
	ck_assert_ptr_null(strstr(r, "Content-Type:"));
	/* two at once are answered in order */
	peer_send(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\nGET /items/2 HTTP/1.1\r\n" HOST "\r\n");
	assert_has(peer_answer(&p), "hello");
	assert_has(peer_answer(&p), "id=2");
	ck_assert_uint_eq(httpd_open_requests(web_server), 0);
	r = peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	assert_has(r, "\r\nConnection: close\r\n");
	loop_until(web_base, peer_ended, &p);
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
	r = peer_ask(&p, request);
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
	r = peer_ask(&p, request);
	assert_problem(r, refused[_i].status, refused[_i].has);
	assert_has(r, "\"correlationId\":\"me\"");
	/* none of these costs the connection */
	assert_has(peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
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
		(void)peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	(void)snprintf(request, sizeof(request), "%sGET /hello HTTP/1.1\r\n" HOST "\r\n",
		       doubtful[_i / 2].request);
	r = peer_ask(&p, request);
	assert_problem(r, doubtful[_i / 2].status, "MELMASTOON.GENERAL.");
	assert_has(r, "\r\nConnection: close\r\n");
	loop_until(web_base, peer_ended, &p);
	ck_assert_uint_eq(p.in.len, 0);
	peer_close(&p);
}
END_TEST

/* The body of HEAD is a body, and never the next request. */
START_TEST(test_head_with_body)
{
	struct peer p = peer_open();
	const char *r = peer_ask(&p, "HEAD /hello HTTP/1.1\r\n" HOST "Content-Length: 41\r\n\r\n"
				     "GET /items/smuggled HTTP/1.1\r\n" HOST "\r\n");

	assert_has(r, "HTTP/1.1 413 ");
	assert_has(peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	ck_assert_uint_eq(p.in.len, 0);
	peer_close(&p);
}
END_TEST

/* ---- sizes */

START_TEST(test_bodies)
{
	struct peer p = peer_open();
	struct strbuf big = STRBUF_INIT;

	assert_has(peer_ask(&p, "PUT /items/1 HTTP/1.1\r\n" HOST
				"Content-Length: 10\r\n\r\n0123456789"),
		   "body=0123456789");
	assert_problem(peer_ask(&p, "PUT /items/1 HTTP/1.1\r\n" HOST
				    "Content-Length: 11\r\n\r\n01234567890"),
		       413, "at most 10 bytes");
	assert_problem(peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"),
		       413, "PAYLOAD_TOO_LARGE");
	assert_has(peer_ask(&p,
			    "PUT /items/1 HTTP/1.1\r\n" HOST
			    "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
		   "body=abcde");
	/* one byte at a time is as good */
	for (const char *c = "GET /items/drip HTTP/1.1\r\n" HOST "\r\n"; *c != '\0'; c++) {
		char one[2] = {*c, '\0'};

		peer_send(&p, one);
		loop_for(web_base, 1);
	}
	assert_has(peer_answer(&p), "id=drip");

	strbuf_append_str(&big, "POST /big HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n");
	for (int i = 0; i < 1 << 20; i++)
		strbuf_append_char(&big, 'x');
	assert_has(peer_ask(&p, strbuf_cstr(&big)), "\r\n\r\n1048576");
	strbuf_clear(&big);
	peer_close(&p);
}
END_TEST

/* Larger than any route takes: read to its end, so that the client sees the answer and no reset. */
START_TEST(test_body_too_large)
{
	struct peer p = peer_open();
	struct flood f = {.p = &p, .left = 20000000};

	peer_send(&p, "POST /big HTTP/1.1\r\n" HOST "Content-Length: 20000000\r\n\r\n");
	loop_until(web_base, flooded, &f);
	assert_problem(peer_answer(&p), 413, "PAYLOAD_TOO_LARGE");
	loop_until(web_base, peer_ended, &p);
	peer_close(&p);

	p = peer_open();
	peer_send(&p, "POST /big HTTP/1.1\r\n" HOST
		      "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	ck_assert_str_eq(peer_answer(&p), "HTTP/1.1 100 Continue\r\n\r\n");
	assert_has(peer_ask(&p, "abc"), "\r\n\r\n3");
	peer_close(&p);

	p = peer_open();
	peer_send(&p, "POST /big HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n200000\r\n");
	assert_problem(peer_answer(&p), 413, "PAYLOAD_TOO_LARGE");
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
	assert_problem(peer_ask(&p, strbuf_cstr(&request)), 431, "HEADERS_TOO_LARGE");
	loop_until(web_base, peer_ended, &p);
	strbuf_clear(&request);
	peer_close(&p);
}
END_TEST

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* A trace goes back when it is one, whatever the answer. */
START_TEST(test_traceparent)
{
	struct peer p = peer_open();

	assert_has(
		peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "TraceParent: " TRACEPARENT "\r\n\r\n"),
		"\r\ntraceparent: " TRACEPARENT "\r\n");
	assert_has(peer_ask(&p, "GET /no HTTP/1.1\r\n" HOST "traceparent: " TRACEPARENT "\r\n\r\n"),
		   "\r\ntraceparent: " TRACEPARENT "\r\n");
	ck_assert_ptr_null(strstr(peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST
					       "traceparent: " TRACEPARENT "x\r\n\r\n"),
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
	fixture_start(&l);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct peer p = peer_open();

		assert_has(peer_ask(&p, requests[i]), "\r\nX-Left: 7\r\n");
		peer_close(&p);
	}
	fixture_teardown();
}
END_TEST

/* All requests together are bounded, too. */
START_TEST(test_held_max)
{
	struct httpd_limits l = usual;
	struct peer p[2];
	struct flood f[2];

	l.held_max = 1500000;
	fixture_start(&l);
	for (int i = 0; i < 2; i++) {
		p[i] = peer_open();
		f[i] = (struct flood){.p = &p[i], .left = 1000000};
		peer_send(&p[i], "POST /big HTTP/1.1\r\n" HOST "Content-Length: 1000001\r\n\r\n");
	}
	loop_until(web_base, flooded, &f[0]);
	loop_for(web_base, 20);
	(void)loop_try(web_base, flooded, &f[1], 1000);
	assert_problem(peer_answer(&p[1]), 503, "\r\nRetry-After: 1\r\n");
	peer_send(&p[0], "x");
	assert_has(peer_answer(&p[0]), "1000001");
	peer_close(&p[1]);
	/* given back */
	p[1] = peer_open();
	f[1].left = 1000000;
	peer_send(&p[1], "POST /big HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
	loop_until(web_base, flooded, &f[1]);
	assert_has(peer_answer(&p[1]), "1000000");
	peer_close(&p[0]);
	peer_close(&p[1]);
	fixture_teardown();
}
END_TEST

START_TEST(test_metrics)
{
	struct peer p = peer_open();
	struct strbuf text = STRBUF_INIT;

	for (int i = 0; i < 3; i++)
		(void)peer_ask(&p, "GET /items/7 HTTP/1.1\r\n" HOST "\r\n");
	(void)peer_ask(&p, "GET /secret/path HTTP/1.1\r\n" HOST "\r\n");
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

int main(void)
{
	Suite *s = suite_create("httpd");
	TCase *tc = tcase_create("usual limits"), *own = tcase_create("limits of their own");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_add_test(tc, test_answer);
	tcase_add_test(tc, test_traceparent);
	tcase_add_loop_test(tc, test_routing, 0, (int)ARRAY_SIZE(routed));
	tcase_add_loop_test(tc, test_refused, 0, (int)ARRAY_SIZE(refused));
	tcase_add_loop_test(tc, test_doubtful, 0, 2 * (int)ARRAY_SIZE(doubtful));
	tcase_add_test(tc, test_head_with_body);
	tcase_add_test(tc, test_bodies);
	tcase_add_test(tc, test_body_too_large);
	tcase_add_loop_test(tc, test_head_too_large, 0, 3);
	tcase_add_test(tc, test_metrics);
	suite_add_tcase(s, tc);
	tcase_set_timeout(own, 60);
	tcase_add_test(own, test_usual_field);
	tcase_add_test(own, test_held_max);
	suite_add_tcase(s, own);
	return unit_main(s);
}
