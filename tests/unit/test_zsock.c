/* zsock: nothing stalls whatever the order of sends and receives, and nothing blocks. */
#include "tests/unit/loop.h"

#include <errno.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/strbuf.h"
#include "common/net/zsock.h"

static struct event_base *base;

static void setup(void)
{
	base = event_base_new();
}

static void teardown(void)
{
	event_base_free(base);
}

static struct zsock *open_zsock(enum zsock_type type, const char *endpoint, bool bind, zsock_fn fn,
				void *arg)
{
	const struct zsock_options o = {
		.type = type,
		.endpoint = endpoint,
		.bind = bind,
		.hwm = 10000,
		.message_max = 1000,
		.subscribe = "",
		.on_message = fn,
		.arg = arg,
	};
	struct zsock *z = NULL;
	struct err e = ERR_INIT;

	ck_assert_msg(zsock_new(base, &o, &z, &e) == 0, "%s", e.msg);
	return z;
}

/* What a receiver has seen. */
struct seen {
	struct strbuf last; /* parts joined by '|' */
	size_t messages, wanted;
	struct zsock *z;
	bool echo, free_at_first;
};

static void on_message(void *arg, const struct slice *parts, size_t n)
{
	struct seen *s = arg;

	s->messages++;
	strbuf_reset(&s->last);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			strbuf_append_char(&s->last, '|');
		strbuf_append_slice(&s->last, parts[i]);
	}
	if (s->echo)
		ck_assert(zsock_send(s->z, parts, n));
	if (s->free_at_first)
		zsock_free(s->z);
}

/* The last part of the last message; a peer's name in front of it is binary. */
static bool last_was(const struct seen *s, const char *part)
{
	size_t n = strlen(part);

	return s->last.len >= n && memcmp(s->last.ptr + s->last.len - n, part, n) == 0;
}

static bool seen_all(void *arg)
{
	const struct seen *s = arg;

	return s->messages >= s->wanted;
}

/* Sends as soon as the peer is connected. */
static bool sent_hello(void *arg)
{
	const struct slice hello[] = {SLICE_LIT("a"), SLICE_LIT(""), SLICE_LIT("ccc")};

	return zsock_send(arg, hello, ARRAY_SIZE(hello));
}

START_TEST(test_push_pull)
{
	struct seen s = {.last = STRBUF_INIT, .wanted = 1};
	struct zsock *pull = open_zsock(ZSOCK_PULL, "tcp://127.0.0.1:*", true, on_message, &s);
	struct zsock *push;

	ck_assert(strncmp(zsock_endpoint(pull), "tcp://127.0.0.1:", 16) == 0);
	ck_assert_ptr_null(strchr(zsock_endpoint(pull), '*'));
	push = open_zsock(ZSOCK_PUSH, zsock_endpoint(pull), false, NULL, NULL);
	ck_assert_str_eq(zsock_endpoint(push), "");
	loop_until(base, sent_hello, push);
	loop_until(base, seen_all, &s);
	ck_assert_str_eq(strbuf_cstr(&s.last), "a||ccc");
	zsock_free(push);
	zsock_free(pull);
	strbuf_clear(&s.last);
}
END_TEST

/* A hint for nobody is dropped at once. */
START_TEST(test_push_without_peer)
{
	struct zsock *push = open_zsock(ZSOCK_PUSH, "tcp://127.0.0.1:9,tcp://127.0.0.1:10", false,
					NULL, NULL);

	ck_assert(!sent_hello(push));
	zsock_free(push);
}
END_TEST

static bool published(void *arg)
{
	struct seen *s = arg;
	const struct slice part = SLICE_LIT("x");

	(void)zsock_send(s->z, &part, 1);
	return s->messages > 0;
}

START_TEST(test_pub_sub)
{
	struct seen s = {.last = STRBUF_INIT};
	struct zsock *sub;

	s.z = open_zsock(ZSOCK_PUB, "tcp://127.0.0.1:*", true, NULL, NULL);
	sub = open_zsock(ZSOCK_SUB, zsock_endpoint(s.z), false, on_message, &s);
	loop_until(base, published, &s);
	ck_assert_str_eq(strbuf_cstr(&s.last), "x");
	zsock_free(sub);
	zsock_free(s.z);
	strbuf_clear(&s.last);
}
END_TEST

/* The outside of a ROUTER: what a producer of events is. */
struct dealer {
	void *context, *socket;
};

static struct dealer dealer_open(const char *endpoint)
{
	struct dealer d;
	int none = 0; /* neither a limit of the queue nor a wait at the end */

	d.context = zmq_ctx_new();
	d.socket = zmq_socket(d.context, ZMQ_DEALER);
	ck_assert_int_eq(zmq_setsockopt(d.socket, ZMQ_LINGER, &none, sizeof(none)), 0);
	ck_assert_int_eq(zmq_setsockopt(d.socket, ZMQ_SNDHWM, &none, sizeof(none)), 0);
	ck_assert_int_eq(zmq_setsockopt(d.socket, ZMQ_RCVHWM, &none, sizeof(none)), 0);
	ck_assert_int_eq(zmq_connect(d.socket, endpoint), 0);
	return d;
}

static void dealer_close(struct dealer *d)
{
	(void)zmq_close(d->socket);
	(void)zmq_ctx_term(d->context);
}

static void dealer_send(struct dealer *d, const char *text, int more)
{
	ck_assert_int_ge(zmq_send(d->socket, text, strlen(text), more), 0);
}

#define BURST 3000

struct conversation {
	struct dealer dealer;
	struct zsock *router;
	struct slice name; /* the dealer's, as the router knows it */
	char name_bytes[32];
	int asked, wanted;
};

static void on_asked(void *arg, const struct slice *parts, size_t n)
{
	struct conversation *c = arg;

	ck_assert_uint_eq(n, 2);
	memcpy(c->name_bytes, parts[0].ptr, parts[0].len);
	c->name = (struct slice){c->name_bytes, parts[0].len};
	c->asked++;
}

static bool asked(void *arg)
{
	const struct conversation *c = arg;

	return c->asked >= c->wanted;
}

/* The trap of ZMQ_FD: a send swallows the edge of what has come in before it. A socket that does
 * not look again stalls until the pump's timer rescues it, half a second later. */
START_TEST(test_send_swallows_the_edge)
{
	struct conversation c = {.wanted = 1};
	int64_t start;

	c.router = open_zsock(ZSOCK_ROUTER, "tcp://127.0.0.1:*", true, on_asked, &c);
	c.dealer = dealer_open(zsock_endpoint(c.router));
	dealer_send(&c.dealer, "q", 0);
	loop_until(base, asked, &c);
	start = clock_mono_ms();
	for (c.wanted = 2; c.wanted < 12; c.wanted++) {
		const struct slice parts[] = {c.name, SLICE_LIT("a")};

		dealer_send(&c.dealer, "q", 0);
		(void)usleep(10000); /* not to wait for something: it makes the race certain */
		ck_assert(zsock_send(c.router, parts, 2));
		loop_until(base, asked, &c);
	}
	ck_assert_int_lt(clock_mono_ms() - start, 2500);
	dealer_close(&c.dealer);
	zsock_free(c.router);
}
END_TEST

/* More than the budget of one turn is waiting, and each message is answered from its callback. */
START_TEST(test_router_echoes_a_burst)
{
	struct seen s = {.last = STRBUF_INIT, .wanted = BURST, .echo = true};
	struct dealer d;
	char text[8];
	int heard = 0;

	s.z = open_zsock(ZSOCK_ROUTER, "tcp://127.0.0.1:*", true, on_message, &s);
	d = dealer_open(zsock_endpoint(s.z));
	for (int i = 0; i < BURST; i++)
		dealer_send(&d, "q", 0);
	loop_until(base, seen_all, &s);
	while (heard < BURST && zmq_recv(d.socket, text, sizeof(text), 0) == 1)
		heard++;
	ck_assert_int_eq(heard, BURST);
	dealer_close(&d);
	zsock_free(s.z);
	strbuf_clear(&s.last);
}
END_TEST

START_TEST(test_router_unknown_peer)
{
	struct seen s = {.last = STRBUF_INIT};
	const struct slice parts[] = {SLICE_LIT("nobody"), SLICE_LIT("x")};
	struct zsock *router = open_zsock(ZSOCK_ROUTER, "tcp://127.0.0.1:*", true, on_message, &s);

	ck_assert(!zsock_send(router, parts, 2));
	zsock_free(router);
}
END_TEST

/* Too many parts: dropped, without harm to the next. Too many bytes: the peer is cut off, comes
 * back, and is heard again. */
START_TEST(test_limits)
{
	struct seen s = {.last = STRBUF_INIT, .wanted = 1};
	struct dealer d;
	char big[2001];

	s.z = open_zsock(ZSOCK_ROUTER, "tcp://127.0.0.1:*", true, on_message, &s);
	d = dealer_open(zsock_endpoint(s.z));
	for (int i = 0; i < 40; i++)
		dealer_send(&d, "part", i < 39 ? ZMQ_SNDMORE : 0);
	dealer_send(&d, "after parts", 0);
	loop_until(base, seen_all, &s);
	ck_assert_uint_eq(s.messages, 1);
	ck_assert(last_was(&s, "after parts"));

	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	dealer_send(&d, big, 0);
	s.wanted = 2;
	while (!loop_try(base, seen_all, &s, 50))
		dealer_send(&d, "after bytes", 0);
	ck_assert(last_was(&s, "after bytes"));
	dealer_close(&d);
	zsock_free(s.z);
	strbuf_clear(&s.last);
}
END_TEST

START_TEST(test_pause)
{
	struct seen s = {.last = STRBUF_INIT, .wanted = 1};
	struct dealer d;

	s.z = open_zsock(ZSOCK_ROUTER, "tcp://127.0.0.1:*", true, on_message, &s);
	d = dealer_open(zsock_endpoint(s.z));
	zsock_pause(s.z, true);
	dealer_send(&d, "q", 0);
	loop_for(base, 700); /* longer than the timer of the pump */
	ck_assert_uint_eq(s.messages, 0);
	zsock_pause(s.z, false);
	zsock_pause(s.z, false);
	loop_until(base, seen_all, &s);
	dealer_close(&d);
	zsock_free(s.z);
	strbuf_clear(&s.last);
}
END_TEST

START_TEST(test_free_in_callback)
{
	struct seen s = {.last = STRBUF_INIT, .wanted = 1, .free_at_first = true};
	struct dealer d;

	s.z = open_zsock(ZSOCK_ROUTER, "tcp://127.0.0.1:*", true, on_message, &s);
	d = dealer_open(zsock_endpoint(s.z));
	dealer_send(&d, "1", 0);
	dealer_send(&d, "2", 0);
	loop_until(base, seen_all, &s);
	loop_for(base, 20);
	ck_assert_uint_eq(s.messages, 1);
	dealer_close(&d);
	strbuf_clear(&s.last);
	zsock_free(NULL);
}
END_TEST

START_TEST(test_errors)
{
	struct seen s = {.last = STRBUF_INIT};
	struct zsock *first = open_zsock(ZSOCK_PULL, "tcp://127.0.0.1:*", true, on_message, &s);
	struct zsock_options o = {.type = ZSOCK_PULL, .hwm = 1, .on_message = on_message};
	struct zsock *z = NULL;
	struct err e = ERR_INIT;

	o.endpoint = zsock_endpoint(first);
	o.bind = true;
	ck_assert_int_eq(zsock_new(base, &o, &z, &e), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(e.msg, zsock_endpoint(first)));
	o.endpoint = "nonsense";
	ck_assert_int_eq(zsock_new(base, &o, &z, &e), -EINVAL);
	o.bind = false;
	ck_assert_int_lt(zsock_new(base, &o, &z, &e), 0);
	o.endpoint = "tcp://127.0.0.1:1,,tcp://127.0.0.1:2";
	ck_assert_int_eq(zsock_new(base, &o, &z, &e), -EINVAL);
	ck_assert_ptr_null(z);
	zsock_free(first);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("zsock");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_push_pull);
	tcase_add_test(tc, test_push_without_peer);
	tcase_add_test(tc, test_pub_sub);
	tcase_add_test(tc, test_send_swallows_the_edge);
	tcase_add_test(tc, test_router_echoes_a_burst);
	tcase_add_test(tc, test_router_unknown_peer);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_pause);
	tcase_add_test(tc, test_free_in_callback);
	tcase_add_test(tc, test_errors);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
