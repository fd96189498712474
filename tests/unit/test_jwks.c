/* jwks: rotation, failing sources, how long tokens are remembered, what callers are lent. One file,
 * because both kinds of sources are asked the same questions through one fixture. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <unistd.h>

#include "common/auth/jwks.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "tests/unit/mint.h"
#include "tests/unit/webserver.h"

#define NOW_S INT64_C(1800000000)

/* ---- fixture: a loop, a frozen clock, Ed25519 keys named k0, k1 … */

static struct event_base *base;
static EVP_PKEY *keys[3];
static int64_t mono_ms;
static int verified, dropped; /* calls of principal() and drop() */

static void advance_clock(int64_t ms)
{
	mono_ms += ms;
	clock_set_for_test((NOW_S * 1000 + mono_ms) * 1000, mono_ms * 1000);
}

static void setup(void)
{
	base = event_base_new();
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		keys[i] = mint_key(MINT_ED25519);
	advance_clock(1000000);
}

static void teardown(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		EVP_PKEY_free(keys[i]);
	event_base_free(base);
}

/* The set of the keys whose bit is set. */
static char *document(unsigned which)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_append_str(&b, "{\"keys\":[");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char kid[] = {'k', (char)('0' + i), '\0'};

		if ((which >> i & 1) != 0)
			mint_jwk(&b, keys[i], MINT_ED25519, kid);
	}
	strbuf_append_str(&b, "]}");
	return strbuf_take(&b);
}

/* "Bearer …" of user `sub`, by key i, for ttl seconds; good until the next call. */
static const char *bearer(int i, const char *sub, int64_t ttl)
{
	static char header[64], payload[256], text[4096];
	struct strbuf t = STRBUF_INIT;

	(void)snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"kid\":\"k%d\"}", i);
	(void)snprintf(payload, sizeof(payload),
		       "{\"iss\":\"i\",\"aud\":[\"a\"],\"sub\":\"%s\",\"exp\":%lld}", sub,
		       (long long)(clock_wall_us() / 1000000 + ttl));
	mint_token(&t, keys[i], header, payload);
	(void)snprintf(text, sizeof(text), "Bearer %s", strbuf_cstr(&t));
	strbuf_clear(&t);
	return text;
}

/* The principal is a copy of `sub`; "nobody" is refused. */
static void *principal(void *arg, const struct json *claims, struct err *e)
{
	const char *sub = json_string_or_null(json_get(claims, "sub"));

	ck_assert_ptr_eq(arg, &verified);
	verified++;
	if (strcmp(sub, "nobody") == 0) {
		(void)err_set(e, -EACCES, "nobody is refused");
		return NULL;
	}
	return xstrdup(sub);
}

static void drop(void *arg, void *p)
{
	ck_assert_ptr_eq(arg, &verified);
	dropped++;
	free(p);
}

static int state; /* 1 ok, -1 failing, 0 not told yet */
static int states;

static void on_state(void *arg, bool ok)
{
	ck_assert_ptr_eq(arg, &verified);
	state = ok ? 1 : -1;
	states++;
}

static int try_new(const char *source, struct jwks **k, struct err *e)
{
	static const char *const issuers[] = {"j", "i", NULL};

	return jwks_new(base,
			&(struct jwks_options){.source = source,
					       .issuers = issuers,
					       .audience = "a",
					       .cache_max = 4,
					       .principal = principal,
					       .drop = drop,
					       .on_state = on_state,
					       .arg = &verified},
			k, e);
}

static struct jwks *new_jwks(const char *source)
{
	struct jwks *k = NULL;
	struct err e = ERR_INIT;
	int r = try_new(source, &k, &e);

	ck_assert_msg(r == 0, "%s", e.msg);
	return k;
}

/* 0 and the right principal, or the refusal's code. */
static int authenticate(struct jwks *k, const char *authorization, const char *sub)
{
	struct err e = ERR_INIT;
	void *p = NULL;
	int r = jwks_authenticate(k, authorization, &p, &e);

	ck_assert(r == 0 || (e.code == r && e.msg[0] != '\0'));
	ck_assert((r == 0) == (p != NULL));
	if (r == 0)
		ck_assert_str_eq(p, sub);
	return r;
}

static void turn(void)
{
	ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
}

/* ---- a file */

static char dir[] = "/tmp/test_jwks.XXXXXX";
static char path[64];

static void write_file(const char *text)
{
	char fresh[80];
	FILE *f;

	if (path[0] == '\0') {
		ck_assert_ptr_nonnull(mkdtemp(dir));
		(void)snprintf(path, sizeof(path), "%s/jwks.json", dir);
	}
	(void)snprintf(fresh, sizeof(fresh), "%s.new", path);
	f = fopen(fresh, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(rename(fresh, path), 0);
}

static void write_keys(unsigned which)
{
	char *text = document(which);

	write_file(text);
	free(text);
}

static void remove_files(void)
{
	if (path[0] == '\0')
		return;
	(void)unlink(path);
	(void)rmdir(dir);
}

START_TEST(test_authenticate)
{
	static const char *const refused[] = {
		NULL,        "",         "Bearer",       "Bearer ",   "Bearer x",
		"Basic abc", "Bearer  ", "Bearer a.b.c", "Bearer ..",
	};
	struct jwks *k;
	char copy[4096];

	write_keys(1);
	k = new_jwks(path);
	ck_assert(jwks_ready(k));
	ck_assert_str_eq(jwks_reason(k), "");
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		ck_assert_int_eq(authenticate(k, refused[i], ""), -EACCES);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", -61), "ann"), -EACCES);
	ck_assert_int_eq(verified, 0);
	ck_assert_int_eq(authenticate(k, bearer(0, "nobody", 900), ""), -EACCES);
	ck_assert_int_eq(authenticate(k, bearer(0, "nobody", 900), ""), -EACCES);
	ck_assert_int_eq(verified, 2); /* refusals are not remembered */
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	ck_assert_int_eq(authenticate(k, bearer(0, "bob", 900), "bob"), 0);
	ck_assert_int_eq(verified, 4);
	(void)snprintf(copy, sizeof(copy), "bEARER   %s",
		       bearer(0, "ann", 900) + strlen("Bearer "));
	ck_assert_int_eq(authenticate(k, copy, "ann"), 0);
	copy[strlen(copy) - 1] ^= 1; /* all bytes are compared */
	ck_assert_int_eq(authenticate(k, copy, "ann"), -EACCES);
	jwks_free(k);
	ck_assert_int_eq(dropped, 2);
	jwks_free(NULL);
}
END_TEST

/* What a request was given stays until the loop's next turn, whatever comes in between. */
START_TEST(test_borrowed)
{
	struct jwks *k;
	void *p = NULL;

	write_keys(1);
	k = new_jwks(path);
	ck_assert_int_eq(jwks_authenticate(k, bearer(0, "ann", 900), &p, NULL), 0);
	write_keys(2);
	advance_clock(1000);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 899), ""), -EACCES);
	ck_assert_int_eq(dropped, 0);
	ck_assert_str_eq(p, "ann");
	turn();
	ck_assert_int_eq(dropped, 1);
	/* an idle cache does not keep the loop busy */
	ck_assert_int_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
	jwks_free(k);
}
END_TEST

/* A removed key ends its remembered tokens with the next check of the file, a second later. */
START_TEST(test_file_rotation)
{
	struct jwks *k;
	char old[4096];

	write_keys(1);
	k = new_jwks(path);
	(void)snprintf(old, sizeof(old), "%s", bearer(0, "ann", 900));
	ck_assert_int_eq(authenticate(k, old, "ann"), 0);
	write_keys(2);
	ck_assert_int_eq(authenticate(k, old, "ann"), 0); /* not looked at yet */
	advance_clock(1000);
	ck_assert_int_eq(authenticate(k, old, "ann"), -EACCES);
	ck_assert_int_eq(authenticate(k, bearer(1, "bob", 900), "bob"), 0);
	/* a new key is there with the first token that names it */
	write_keys(6);
	ck_assert_int_eq(authenticate(k, bearer(2, "cid", 900), "cid"), 0);
	/* the same content again flushes nothing, an untouched file is not read */
	ck_assert_int_eq(verified, 3);
	advance_clock(5000);
	ck_assert_int_eq(authenticate(k, bearer(2, "cid", 895), "cid"), 0);
	ck_assert_int_eq(verified, 3);
	ck_assert_int_eq(states, 0);
	jwks_free(k);
}
END_TEST

/* 60 s after it was verified a token is verified again, whatever its own end. */
START_TEST(test_remembered_for_a_minute)
{
	struct jwks *k;
	char old[4096];

	write_keys(1);
	k = new_jwks(path);
	(void)snprintf(old, sizeof(old), "%s", bearer(0, "ann", 65));
	ck_assert_int_eq(authenticate(k, old, "ann"), 0);
	advance_clock(59999);
	ck_assert_int_eq(authenticate(k, old, "ann"), 0);
	ck_assert_int_eq(verified, 1);
	advance_clock(1);
	ck_assert_int_eq(authenticate(k, old, "ann"), 0);
	ck_assert_int_eq(verified, 2);
	advance_clock(59999); /* end and leeway are 125 s from the start */
	ck_assert_int_eq(authenticate(k, old, "ann"), 0);
	advance_clock(5001);
	ck_assert_int_eq(authenticate(k, old, "ann"), -EACCES);
	jwks_free(k);
}
END_TEST

/* An unusable file is reported once; the keys we have go on for a day; a good one heals. */
START_TEST(test_file_fails)
{
	struct jwks *k;

	write_keys(1);
	k = new_jwks(path);
	write_file("{\"keys\":[");
	advance_clock(1000);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	ck_assert_int_eq(state, -1);
	ck_assert_ptr_nonnull(strstr(jwks_reason(k), path));
	ck_assert_int_eq(authenticate(k, bearer(1, "bob", 900), "bob"), -EACCES);
	(void)unlink(path);
	advance_clock(INT64_C(23) * 3600 * 1000);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	ck_assert_int_eq(states, 1);
	advance_clock(3600 * 1000);
	ck_assert(!jwks_ready(k));
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), ""), -EAGAIN);
	ck_assert_int_eq(states, 2); /* told again: nobody gets in now */
	ck_assert_int_eq(authenticate(k, NULL, NULL), -EACCES);
	write_keys(1);
	advance_clock(1000);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	ck_assert(jwks_ready(k));
	ck_assert_int_eq(state, 1);
	ck_assert_int_eq(states, 3);
	jwks_free(k);
}
END_TEST

/* Days without a token are no failure of the source. */
START_TEST(test_idle_for_days)
{
	struct jwks *k;

	write_keys(1);
	k = new_jwks(path);
	advance_clock(INT64_C(72) * 3600 * 1000);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	jwks_free(k);
}
END_TEST

START_TEST(test_refused_sources)
{
	static const struct {
		const char *source;
		int expected;
	} sources[] = {
		{"/nonexistent/jwks.json", -ENOENT},
		{"/tmp", -EIO},
		{"/dev/null", -EINVAL},
		{"/dev/zero", -EINVAL},
		{"http://example.com/jwks", -EINVAL},
		{"://", -EINVAL},
	};
	struct jwks *k = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		int r = try_new(sources[i].source, &k, &e);

		ck_assert_msg(r == sources[i].expected, "%s: %d, %s", sources[i].source, r, e.msg);
	}
	ck_assert_ptr_null(k);
}
END_TEST

/* ---- a URL */

static struct {
	struct webserver web;
	int requests;
	/* what it answers */
	int status;
	const char *cache_control;
	char *body; /* NULL: it never does */
} server;

static void on_request(struct evhttp_request *q, void *arg)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(q);

	(void)arg;
	server.requests++;
	if (server.body == NULL)
		return;
	if (server.cache_control != NULL)
		(void)evhttp_add_header(headers, "cache-control", server.cache_control);
	if (server.status == 302)
		(void)evhttp_add_header(headers, "Location", "/elsewhere");
	webserver_answer(q, server.status, server.body);
}

/* From now on. Takes the body. */
static void answer(int status, const char *cache_control, char *body)
{
	free(server.body);
	server.status = status;
	server.cache_control = cache_control;
	server.body = body;
}

static void start_server(void)
{
	webserver_start(&server.web, base, on_request, NULL);
}

static void stop_server(void)
{
	answer(0, NULL, NULL);
	webserver_stop(&server.web);
}

/* Turns until fetch n has been told of. */
static void wait_states(int n)
{
	while (states < n)
		turn();
}

static void wait_ready(struct jwks *k)
{
	while (!jwks_ready(k))
		turn();
}

/* The keys are there as soon as they have been fetched, and not asked for again before 80 % of
 * their age. */
START_TEST(test_url)
{
	struct jwks *k;

	start_server();
	answer(200, "public, s-maxage=9, Max-Age=1000, must-revalidate", document(1));
	k = new_jwks(server.web.url);
	ck_assert(!jwks_ready(k));
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), ""), -EAGAIN);
	wait_states(1);
	ck_assert_int_eq(state, 1);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	ck_assert_int_eq(server.requests, 1);

	answer(200, NULL, document(2));
	advance_clock(799999);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
	ck_assert_int_eq(server.requests, 1);
	advance_clock(1);
	ck_assert_int_eq(authenticate(k, bearer(0, "bob", 900), "bob"), 0); /* in the background */
	while (authenticate(k, bearer(0, "bob", 900), "bob") == 0)
		turn();
	ck_assert_int_eq(authenticate(k, bearer(1, "cid", 900), "cid"), 0);
	ck_assert_int_eq(server.requests, 2);
	jwks_free(k);
	stop_server();
}
END_TEST

static const struct {
	const char *cache_control;
	int64_t seconds;
} ages[] = {
	{NULL, 600},
	{"no-cache", 600},
	{"max-age=0", 60},
	{"max-age=59", 60},
	{"max-age=100", 100},
	{"max-age=99999999999", 86400},
	{"max-age=", 600},
	{"max-age=-1", 600},
	{"max-age=\"100\"", 600},
	{"xmax-age=100", 600},
	{"max-age=x,max-age=70", 70},
	{",, ,max-age=70 ,", 70},
};

START_TEST(test_max_age)
{
	struct jwks *k;

	start_server();
	answer(200, ages[_i].cache_control, document(1));
	k = new_jwks(server.web.url);
	wait_ready(k);
	advance_clock(ages[_i].seconds * 800 - 1);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(server.requests, 1);
	advance_clock(1);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	while (server.requests == 1)
		turn();
	jwks_free(k);
	stop_server();
}
END_TEST

/* A kid we do not have causes one fetch a minute, however many such tokens come. */
START_TEST(test_unknown_kid)
{
	struct jwks *k;

	start_server();
	answer(200, "max-age=86400", document(1));
	k = new_jwks(server.web.url);
	wait_ready(k);
	answer(200, "max-age=86400", document(3));
	ck_assert_int_eq(authenticate(k, bearer(1, "bob", 900), ""), -EACCES);
	while (authenticate(k, bearer(1, "bob", 900), "bob") == -EACCES)
		turn();
	ck_assert_int_eq(server.requests, 2);
	for (int i = 0; i < 60; i++) {
		ck_assert_int_eq(authenticate(k, bearer(2, "cid", 900), ""), -EACCES);
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
		advance_clock(999);
	}
	ck_assert_int_eq(server.requests, 2);
	advance_clock(60);
	ck_assert_int_eq(authenticate(k, bearer(2, "cid", 900), ""), -EACCES);
	while (server.requests == 2)
		turn();
	jwks_free(k);
	stop_server();
}
END_TEST

static const struct {
	int status;
	const char *body; /* NULL: too long */
	const char *reason;
} failures[] = {
	{500, "{}", "status 500"},
	{404, "", "status 404"},
	{302, "", "status 302"},
	{200, "", "not valid JSON"},
	{200, "{\"keys\":[]}", "no usable key"},
	{200, NULL, "too long"},
};

/* While fetching fails the keys we have go on, for a day. */
START_TEST(test_url_fails)
{
	struct strbuf b = STRBUF_INIT;
	struct jwks *k;

	start_server();
	answer(200, NULL, document(1));
	k = new_jwks(server.web.url);
	wait_ready(k);
	if (failures[_i].body != NULL)
		strbuf_append_str(&b, failures[_i].body);
	else
		strbuf_appendf(&b, "{\"keys\":[%*s]}", (int)JWK_SET_MAX, "");
	answer(failures[_i].status, NULL, strbuf_take(&b));
	advance_clock(600 * 1000);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	wait_states(2);
	ck_assert_int_eq(state, -1);
	ck_assert_msg(strstr(jwks_reason(k), failures[_i].reason) != NULL, "%s", jwks_reason(k));
	ck_assert_ptr_nonnull(strstr(jwks_reason(k), server.web.url));
	advance_clock(INT64_C(23) * 3600 * 1000);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	advance_clock(3600 * 1000);
	ck_assert(!jwks_ready(k));
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), ""), -EAGAIN);
	answer(200, NULL, document(1));
	while (authenticate(k, bearer(0, "ann", 900), "ann") == -EAGAIN) {
		turn();
		advance_clock(60000); /* a fetch that failed before is tried again */
	}
	wait_states(4);
	ck_assert_int_eq(state, 1);
	jwks_free(k);
	stop_server();
}
END_TEST

/* Nobody is there yet: told once, a token has to wait. */
START_TEST(test_url_without_server)
{
	struct jwks *k;

	start_server();
	stop_server();
	k = new_jwks(server.web.url);
	wait_states(1);
	ck_assert_int_eq(state, -1);
	ck_assert(!jwks_ready(k));
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), ""), -EAGAIN);
	jwks_free(k);
}
END_TEST

/* A failed fetch is tried again without any token asking. */
START_TEST(test_url_retries)
{
	struct jwks *k;

	start_server();
	answer(503, NULL, document(1));
	k = new_jwks(server.web.url);
	wait_states(1);
	ck_assert_int_eq(state, -1);
	answer(200, NULL, document(1));
	wait_states(2);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	ck_assert_int_eq(server.requests, 2);
	jwks_free(k);
	stop_server();
}
END_TEST

/* A process that slept for days (no timer fired) fetches before it trusts, and says so. */
START_TEST(test_url_after_sleep)
{
	struct jwks *k;

	start_server();
	answer(200, "max-age=86400", document(1));
	k = new_jwks(server.web.url);
	wait_states(1);
	advance_clock(INT64_C(72) * 3600 * 1000);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), ""), -EAGAIN);
	ck_assert_int_eq(state, -1);
	ck_assert_ptr_nonnull(strstr(jwks_reason(k), "not read for a day"));
	wait_states(3);
	ck_assert_int_eq(state, 1);
	ck_assert_int_eq(authenticate(k, bearer(0, "ann", 900), "ann"), 0);
	jwks_free(k);
	stop_server();
}
END_TEST

/* Freed with a fetch under way. */
START_TEST(test_free_while_fetching)
{
	struct jwks *k;

	start_server(); /* it never answers */
	k = new_jwks(server.web.url);
	while (server.requests == 0)
		turn();
	jwks_free(k);
	ck_assert_int_eq(states, 0);
	stop_server();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jwks");
	TCase *tc = tcase_create("file");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_checked_fixture(tc, NULL, remove_files);
	tcase_add_test(tc, test_authenticate);
	tcase_add_test(tc, test_borrowed);
	tcase_add_test(tc, test_file_rotation);
	tcase_add_test(tc, test_remembered_for_a_minute);
	tcase_add_test(tc, test_file_fails);
	tcase_add_test(tc, test_idle_for_days);
	tcase_add_test(tc, test_refused_sources);
	suite_add_tcase(s, tc);

	tc = tcase_create("url");
	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_url);
	tcase_add_loop_test(tc, test_max_age, 0, ARRAY_SIZE(ages));
	tcase_add_test(tc, test_unknown_kid);
	tcase_add_loop_test(tc, test_url_fails, 0, ARRAY_SIZE(failures));
	tcase_add_test(tc, test_url_without_server);
	tcase_add_test(tc, test_url_retries);
	tcase_add_test(tc, test_url_after_sleep);
	tcase_add_test(tc, test_free_while_fetching);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
