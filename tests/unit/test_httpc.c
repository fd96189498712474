/* httpc: both methods, limits of size and time, cancelling, freeing from inside a callback. */
#include "tests/unit/unit.h"

#include <errno.h>

#include <event2/buffer.h>

#include "common/http/httpc.h"
#include "tests/unit/webserver.h"

static struct event_base *base;
static struct webserver server;
static struct httpc *client;
static bool silent; /* the server never answers */

static struct {
	int calls, code, status;
	char body[64], method[8], type[64];
	bool again, free_inside;
} got;

/* Twice ten bytes, whose sum nobody announced. */
static void answer_in_chunks(struct evhttp_request *q)
{
	struct evbuffer *b = evbuffer_new();

	evhttp_send_reply_start(q, 200, "-");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(evbuffer_add(b, "0123456789", 10), 0);
		evhttp_send_reply_chunk(q, b);
	}
	evhttp_send_reply_end(q);
	evbuffer_free(b);
}

/* Says back what it got, with two Content-Type headers. */
static void on_request(struct evhttp_request *q, void *arg)
{
	struct evkeyvalq *in = evhttp_request_get_input_headers(q);
	struct evkeyvalq *out = evhttp_request_get_output_headers(q);
	const char *wanted = evhttp_find_header(in, "X-Wanted");
	char body[64] = "";

	(void)arg;
	if (silent)
		return;
	ck_assert_ptr_null(evhttp_find_header(in, "Expect"));
	(void)snprintf(got.method, sizeof(got.method), "%s",
		       evhttp_request_get_command(q) == EVHTTP_REQ_POST ? "POST" : "GET");
	(void)evbuffer_remove(evhttp_request_get_input_buffer(q), body, sizeof(body) - 1);
	(void)evhttp_add_header(out, "Content-Type", "first");
	(void)evhttp_add_header(out, "Content-Type", wanted != NULL ? wanted : "last");
	if (wanted != NULL && strcmp(wanted, "chunks") == 0)
		answer_in_chunks(q);
	else
		webserver_answer(q, 201, body);
}

static void setup(void)
{
	base = event_base_new();
	webserver_start(&server, base, on_request, NULL);
	client = httpc_new(base);
}

static void teardown(void)
{
	httpc_free(client);
	webserver_stop(&server);
	event_base_free(base);
}

static void on_answer(void *arg, const struct httpc_answer *a, const struct err *e);

static int submit(const struct slice *body, const char *const *headers, size_t max,
		  int64_t timeout_ms)
{
	return httpc_submit(client,
			    &(struct httpc_request){.url = server.url,
						    .headers = headers,
						    .body = body,
						    .answer_max = max,
						    .timeout_ms = timeout_ms},
			    on_answer, &got, NULL);
}

static void on_answer(void *arg, const struct httpc_answer *a, const struct err *e)
{
	ck_assert_ptr_eq(arg, &got);
	ck_assert((a == NULL) == (e != NULL));
	got.calls++;
	got.code = e != NULL ? e->code : 0;
	if (e != NULL)
		ck_assert_str_ne(e->msg, "");
	if (a != NULL) {
		got.status = a->status;
		ck_assert_uint_lt(a->body.len, sizeof(got.body));
		memset(got.body, 0, sizeof(got.body));
		if (a->body.len > 0)
			memcpy(got.body, a->body.ptr, a->body.len);
		ck_assert_ptr_null(httpc_header(a, "X-None"));
		(void)snprintf(got.type, sizeof(got.type), "%s", httpc_header(a, "content-TYPE"));
	}
	if (got.again) {
		got.again = false;
		ck_assert_int_eq(submit(NULL, NULL, 10, 5000), 0);
	}
	if (got.free_inside) {
		httpc_free(client);
		client = NULL;
		got.free_inside = false;
	}
}

static void wait_calls(int n)
{
	while (got.calls < n)
		ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
}

START_TEST(test_exchange)
{
	static const char *const headers[] = {"X-Wanted: application/json", NULL};
	struct slice body = SLICE_LIT("a body"), empty = {NULL, 0};

	ck_assert_int_eq(submit(NULL, NULL, 10, 5000), 0);
	ck_assert_int_eq(got.calls, 0);
	wait_calls(1);
	ck_assert_int_eq(got.status, 201);
	ck_assert_str_eq(got.method, "GET");
	ck_assert_str_eq(got.body, "");
	ck_assert_str_eq(got.type, "last");
	ck_assert_int_eq(submit(&body, headers, body.len, 5000), 0);
	wait_calls(2);
	ck_assert_str_eq(got.method, "POST");
	ck_assert_str_eq(got.body, "a body");
	ck_assert_str_eq(got.type, "application/json");
	ck_assert_int_eq(submit(&body, NULL, body.len - 1, 5000), 0);
	wait_calls(3);
	ck_assert_int_eq(got.code, -EMSGSIZE);
	ck_assert_int_eq(submit(&empty, NULL, 0, 5000), 0);
	wait_calls(4);
	ck_assert_int_eq(got.code, 0);
	ck_assert_str_eq(got.method, "POST");
}
END_TEST

START_TEST(test_unannounced_length)
{
	static const char *const headers[] = {"X-Wanted: chunks", NULL};

	ck_assert_int_eq(submit(NULL, headers, 20, 5000), 0);
	wait_calls(1);
	ck_assert_str_eq(got.body, "01234567890123456789");
	ck_assert_int_eq(submit(NULL, headers, 19, 5000), 0);
	wait_calls(2);
	ck_assert_int_eq(got.code, -EMSGSIZE);
}
END_TEST

START_TEST(test_again_from_inside)
{
	got.again = true;
	ck_assert_int_eq(submit(NULL, NULL, 10, 5000), 0);
	wait_calls(2);
	ck_assert_int_eq(got.code, 0);
}
END_TEST

START_TEST(test_timeout)
{
	silent = true;
	ck_assert_int_eq(submit(NULL, NULL, 10, 50), 0);
	wait_calls(1);
	ck_assert_int_eq(got.code, -ETIMEDOUT);
}
END_TEST

START_TEST(test_nobody_there)
{
	struct webserver gone;

	webserver_start(&gone, base, on_request, NULL);
	webserver_stop(&gone);
	memcpy(server.url, gone.url, sizeof(gone.url));
	ck_assert_int_eq(submit(NULL, NULL, 10, 5000), 0);
	ck_assert_int_eq(got.calls, 0);
	wait_calls(1);
	ck_assert_int_eq(got.code, -EIO);
}
END_TEST

/* So many at a time. All end when the client is freed: by its owner, by a callback of an answer
 * (of a time-out), by a callback of the freeing itself. */
START_TEST(test_bounds)
{
	silent = true;
	for (int i = 0; i < HTTPC_PENDING_MAX; i++)
		ck_assert_int_eq(submit(NULL, NULL, 10, i == 0 ? 50 : 5000), 0);
	ck_assert_int_eq(submit(NULL, NULL, 10, 50), -EAGAIN);
	got.free_inside = _i != 0;
	if (_i != 1) {
		httpc_free(client);
		client = NULL;
		ck_assert_int_eq(got.calls, HTTPC_PENDING_MAX);
	}
	wait_calls(HTTPC_PENDING_MAX);
	ck_assert_int_eq(got.calls, HTTPC_PENDING_MAX);
	ck_assert_int_eq(got.code, -ECANCELED);
}
END_TEST

/* Plain http goes to this machine only, unless the caller insists; nothing else goes anywhere. */
START_TEST(test_urls)
{
	static const struct {
		const char *url;
		int strict, plain;
	} urls[] = {
		{"http://127.0.0.1:1/", 0, 0},
		{"http://127.9.9.9:1/", 0, 0},
		{"http://localhost:1/", 0, 0},
		{"http://[::1]:1/", 0, 0},
		{"https://127.0.0.1:1/", 0, 0},
		{"http://192.0.2.1/", -EINVAL, 0},
		{"http://127.0.0.1.example.com/", -EINVAL, 0},
		{"http://localhost.example.com/", -EINVAL, 0},
		{"http://127.0.0.1@192.0.2.1/", -EINVAL, -EINVAL},
		{"https://user:secret@127.0.0.1/", -EINVAL, -EINVAL},
		{"ftp://127.0.0.1/", -EINVAL, -EINVAL},
		{"file:///etc/passwd", -EINVAL, -EINVAL},
		{"127.0.0.1", -EINVAL, -EINVAL},
		{"", -EINVAL, -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct httpc_request q = {.url = urls[i].url, .timeout_ms = 1000};
		struct err e = ERR_INIT;

		ck_assert_int_eq(httpc_submit(client, &q, on_answer, &got, &e), urls[i].strict);
		q.plain_http = true;
		ck_assert_int_eq(httpc_submit(client, &q, on_answer, &got, &e), urls[i].plain);
		ck_assert_ptr_null(strstr(e.msg, "secret"));
	}
}
END_TEST

/* A second client while the first lives, and one after all are gone. */
START_TEST(test_clients)
{
	struct httpc *second = httpc_new(base);

	httpc_free(client);
	httpc_free(second);
	client = httpc_new(base);
	ck_assert_int_eq(submit(NULL, NULL, 10, 5000), 0);
	wait_calls(1);
	ck_assert_int_eq(got.code, 0);
	httpc_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("httpc");
	TCase *tc = tcase_create("httpc");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_exchange);
	tcase_add_test(tc, test_unannounced_length);
	tcase_add_test(tc, test_again_from_inside);
	tcase_add_test(tc, test_timeout);
	tcase_add_test(tc, test_nobody_there);
	tcase_add_loop_test(tc, test_bounds, 0, 3);
	tcase_add_test(tc, test_urls);
	tcase_add_test(tc, test_clients);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
