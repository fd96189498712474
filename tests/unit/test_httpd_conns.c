/* httpd: its connections over time: late answers, slow clients, who leaves, the end. */
#include "tests/unit/httpdfixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/daemon/metrics.h"

/* ---- time */

START_TEST(test_deferred)
{
	struct peer p = peer_open();

	peer_send(&p, "GET /later?watch HTTP/1.1\r\n" HOST "\r\n");
	loop_until(web_base, later_open, NULL);
	ck_assert_uint_eq(httpd_open_requests(web_server), 1);
	/* the next request may come before the answer; it waits */
	peer_send(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	loop_for(web_base, 20);
	ck_assert_int_eq(later.gone, 0);
	reply_later("at last");
	ck_assert_uint_eq(httpd_open_requests(web_server), 0);
	assert_has(peer_answer(&p), "at last");
	assert_has(peer_answer(&p), "hello");
	peer_close(&p);
}
END_TEST

START_TEST(test_deadline)
{
	struct httpd_limits l = usual;
	struct peer p;

	l.deadline_ms = 60;
	fixture_start(&l);
	p = peer_open();
	assert_problem(
		peer_ask(&p, "GET /later?watch HTTP/1.1\r\n" HOST "X-Correlation-Id: x\r\n\r\n"),
		503, "\r\nRetry-After: 1\r\n");
	ck_assert_int_eq(later.gone, 1);
	/* the connection goes on before the owner answers, who still sees his request */
	assert_has(peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	ck_assert_str_eq(httpd_header(later.request, "x-correlation-id"), "x");
	ck_assert_str_eq(httpd_path(later.request), "/later");
	reply_later("too late");
	/* a deadline of the handler's own, with a body that stays */
	assert_problem(peer_ask(&p, "POST /later?deadline HTTP/1.1\r\n" HOST
				    "Content-Length: 4\r\n\r\nbody"),
		       504, "QUERY_TIMEOUT");
	ck_assert(slice_eq_str(httpd_body(later.request), "body"));
	/* the client may go before the owner answers, too */
	peer_close(&p);
	loop_for(web_base, 20);
	ck_assert(slice_eq_str(httpd_body(later.request), "body"));
	reply_later("too late");
	fixture_teardown();
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
	loop_until(web_base, later_open, NULL);
	loop_for(web_base, 20);
	ck_assert_int_eq(later.gone, 0);
	if (reset)
		(void)setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	peer_close(&p);
	left_at = clock_mono_ms();
	loop_until(web_base, later_gone, NULL);
	ck_assert_int_lt(clock_mono_ms() - left_at, 1000);
	ck_assert_int_eq(later.gone, 1);
	if (!answer_when_gone) {
		ck_assert(slice_eq_str(httpd_body(later.request), "body"));
		ck_assert_uint_eq(httpd_open_requests(web_server), 1);
		reply_later("nobody hears this");
	}
	ck_assert_uint_eq(httpd_open_requests(web_server), 0);
	loop_for(web_base, 20);
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
	loop_until(web_base, later_open, NULL);
	peer_close(&p);
	loop_for(web_base, 20);
	reply_later("nobody hears this");
	loop_for(web_base, 20);
	p = peer_open();
	assert_has(peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_close(&p);
}
END_TEST

/* A client that shuts down its sending side and waits is served, unless the handler watches. */
START_TEST(test_half_closed)
{
	struct peer p = peer_open();

	peer_send(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
	ck_assert_int_eq(shutdown(p.fd, SHUT_WR), 0);
	loop_until(web_base, later_open, NULL);
	loop_for(web_base, 20);
	reply_later("still here");
	assert_has(peer_answer(&p), "still here");
	loop_until(web_base, peer_ended, &p);
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

	fixture_start(&hasty);
	p = peer_open();
	peer_send(&p, slow[_i].sent);
	begun = clock_mono_ms();
	if (slow[_i].answered)
		assert_problem(peer_answer(&p), 408, "REQUEST_TIMEOUT");
	loop_until(web_base, peer_ended, &p);
	ck_assert_int_ge(clock_mono_ms() - begun, 150);
	ck_assert_int_lt(clock_mono_ms() - begun, 5000);
	ck_assert_uint_eq(p.in.len, 0);
	peer_close(&p);
	fixture_teardown();
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

	fixture_start(&hasty);
	p = peer_open();
	peer_send(&p, "GET /hello HTTP/1.1\r\nX: ");
	loop_until(web_base, dripped, &p);
	assert_has(strbuf_cstr(&p.in), "HTTP/1.1 408 ");
	peer_close(&p);
	fixture_teardown();
}
END_TEST

/* The time-outs of reading do not touch a request that is open, nor the next one. */
START_TEST(test_slow_handler)
{
	struct peer p;

	fixture_start(&hasty);
	p = peer_open();
	peer_send(&p, "GET /later?watch HTTP/1.1\r\n" HOST "\r\n");
	loop_for(web_base, 500);
	ck_assert_int_eq(later.gone, 0);
	reply_later("done");
	assert_has(peer_answer(&p), "done");
	assert_has(peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	loop_until(web_base, peer_ended, &p);
	peer_close(&p);
	fixture_teardown();
}
END_TEST

/* ---- many */

START_TEST(test_connections_max)
{
	struct httpd_limits l = usual;
	struct peer p[3];

	l.connections_max = 2;
	fixture_start(&l);
	for (int i = 0; i < 2; i++) {
		p[i] = peer_open();
		assert_has(peer_ask(&p[i], "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	}
	p[2] = peer_open();
	assert_problem(peer_answer(&p[2]), 503, "too many connections");
	loop_until(web_base, peer_ended, &p[2]);
	peer_close(&p[2]);
	assert_has(peer_ask(&p[0], "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_close(&p[1]);
	loop_for(web_base, 20);
	p[2] = peer_open();
	assert_has(peer_ask(&p[2], "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_close(&p[0]);
	peer_close(&p[2]);
	fixture_teardown();
}
END_TEST

/* Out of descriptors: connections wait, and are served when there are some again. */
START_TEST(test_out_of_descriptors)
{
	struct rlimit old, low;
	struct peer p = peer_open();
	int next = dup(p.fd);

	assert_has(peer_ask(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_close(&p);
	p = peer_open();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)next; /* every number below is taken */
	while (dup(next) >= 0 && dup(next) < next + 8)
		;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	peer_send(&p, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	ck_assert(!loop_try(web_base, peer_answered, &p, 300));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_has(peer_answer(&p), "hello");
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
	loop_until(web_base, later_open, NULL);
	ck_assert(!loop_try(web_base, flooded, &f, 300));
	ck_assert_uint_lt(f.sent, (size_t)32 << 20); /* the kernel's buffers */
	reply_later("done");
	peer_close(&p);
	loop_for(web_base, 20);
}
END_TEST

/* How many have their answer since it was asked last. */
static size_t newly_answered(struct peer *peers, size_t n)
{
	size_t answered = 0;

	for (size_t i = 0; i < n; i++)
		answered += peer_answered(&peers[i]);
	return answered;
}

/* Large requests that are whole at the same time have a turn of the loop each; a client that leaves
 * before its own is forgotten. */
START_TEST(test_large_bodies_take_turns)
{
	const struct linger hard = {1, 0};
	struct peer peers[6], *last = &peers[ARRAY_SIZE(peers) - 1];
	struct strbuf request = STRBUF_INIT;
	size_t answered = 0, most = 0, now;

	strbuf_appendf(&request,
		       "POST /big HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n%020000d", 0);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peers[i] = peer_open();
	loop_for(web_base, 20);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peer_send(&peers[i], strbuf_cstr(&request));
	while (answered < ARRAY_SIZE(peers) - 1) {
		(void)event_base_loop(web_base, EVLOOP_ONCE);
		now = newly_answered(peers, ARRAY_SIZE(peers) - 1);
		most = now > most ? now : most;
		if (answered == 0 && now > 0) {
			(void)setsockopt(last->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
			peer_close(last);
		}
		answered += now;
	}
	ck_assert_uint_eq(most, 1);
	for (size_t i = 0; i < ARRAY_SIZE(peers) - 1; i++)
		peer_close(&peers[i]);
	loop_for(web_base, 20);
	ck_assert_uint_eq(httpd_open_requests(web_server), 0);
	strbuf_clear(&request);
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
	loop_until(web_base, later_open, NULL);
	reply_later(strbuf_cstr(&body));
	loop_for(web_base, 50);
	ck_assert_str_eq(strstr(peer_answer(&p), "\r\n\r\n") + 4, strbuf_cstr(&body));
	strbuf_clear(&body);
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
		.sin_port = htons(web_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	bool done = false;
	int fd;

	assert_has(peer_ask(&idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello");
	peer_send(&begun, "GET /hello HT");
	peer_send(&open, "GET /later HTTP/1.1\r\n" HOST "\r\n");
	loop_until(web_base, later_open, NULL);
	loop_for(web_base, 20);
	httpd_drain(web_server, on_idle, &done);
	loop_until(web_base, peer_ended, &idle);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_lt(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)close(fd);
	ck_assert(!done);
	assert_has(peer_ask(&begun, "TP/1.1\r\n" HOST "\r\n"), "\r\nConnection: close\r\n");
	loop_until(web_base, peer_ended, &begun);
	ck_assert(!done);
	reply_later("finished");
	assert_has(peer_answer(&open), "finished");
	loop_until(web_base, peer_ended, &open);
	loop_until(web_base, is_true, &done);
	peer_close(&idle);
	peer_close(&begun);
	peer_close(&open);
}
END_TEST

START_TEST(test_drain_idle)
{
	bool done = false;

	httpd_drain(web_server, on_idle, &done);
	ck_assert(!done); /* from the loop only */
	loop_until(web_base, is_true, &done);
}
END_TEST

/* Freed with a request open: the client gets 503 and the owner may answer afterwards. */
START_TEST(test_free_with_open_request)
{
	struct peer p, accepted;

	fixture_start(&usual);
	p = peer_open();
	peer_send(&p, _i == 0 ? "GET /later?watch HTTP/1.1\r\n" HOST "\r\n"
			      : "GET /later HTTP/1.1\r\n" HOST "\r\n");
	loop_until(web_base, later_open, NULL);
	accepted = peer_open();
	httpd_free(web_server);
	ck_assert_int_eq(later.gone, _i == 0);
	event_base_free(web_base);
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
	struct httpd *other = httpd_new(web_base, &usual);
	struct err e = ERR_INIT;
	char addr[64], bound[64];

	(void)snprintf(addr, sizeof(addr), "127.0.0.1:%d", web_port);
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
	Suite *s = suite_create("httpd_conns");
	TCase *tc = tcase_create("usual limits"), *own = tcase_create("limits of their own");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_add_test(tc, test_deferred);
	tcase_add_loop_test(tc, test_client_leaves, 0, 4);
	tcase_add_test(tc, test_client_leaves_unwatched);
	tcase_add_test(tc, test_half_closed);
	tcase_add_test(tc, test_out_of_descriptors);
	tcase_add_test(tc, test_read_ahead);
	tcase_add_test(tc, test_large_bodies_take_turns);
	tcase_add_test(tc, test_large_answer);
	tcase_add_test(tc, test_drain);
	tcase_add_test(tc, test_drain_idle);
	tcase_add_test(tc, test_listen_errors);
	suite_add_tcase(s, tc);
	tcase_set_timeout(own, 60);
	tcase_add_test(own, test_deadline);
	tcase_add_loop_test(own, test_slow_client, 0, (int)ARRAY_SIZE(slow));
	tcase_add_test(own, test_drip);
	tcase_add_test(own, test_slow_handler);
	tcase_add_test(own, test_connections_max);
	tcase_add_loop_test(own, test_free_with_open_request, 0, 2);
	suite_add_tcase(s, own);
	return unit_main(s);
}
