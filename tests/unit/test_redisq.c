/*
 * redisq against a real redis-server of the test's own: replies, pipelining, every way to lose the
 * server, and that each command ends exactly once.
 */
#include "tests/unit/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/net/redisq.h"

static struct event_base *base;
static char dir[64], socket_url[128], socket_path[96];
static int port;
static pid_t server;

/* ---- the server */

static int free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	(void)close(fd);
	return ntohs(sa.sin_port);
}

static void start_server(const char *password)
{
	char port_text[16];

	(void)snprintf(port_text, sizeof(port_text), "%d", port);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0) {
		int null = open("/dev/null", O_RDWR);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
		(void)dup2(null, STDOUT_FILENO);
		(void)execlp("redis-server", "redis-server", "--port", port_text, "--bind",
			     "127.0.0.1", "--unixsocket", socket_path, "--save", "", "--appendonly",
			     "no", "--dir", dir, "--enable-debug-command", "yes",
			     password != NULL ? "--requirepass" : NULL, password, NULL);
		_exit(127);
	}
}

static void end_server(int signal)
{
	int status;

	if (server <= 0)
		return;
	(void)kill(server, signal);
	(void)kill(server, SIGCONT);
	ck_assert_int_eq(waitpid(server, &status, 0), server);
	server = 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN); /* as in a daemon */
	base = event_base_new();
	(void)snprintf(dir, sizeof(dir), "/tmp/redisq.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	(void)snprintf(socket_url, sizeof(socket_url), "unix://%s", socket_path);
	port = free_port();
}

static void teardown(void)
{
	end_server(SIGKILL);
	(void)nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	event_base_free(base);
}

/* ---- the client */

struct client {
	struct redisq *q;
	int ups, downs;
	int sent, ended, ok, failed[200]; /* failed[errno] */
	int64_t sum;
	char last[128];
	bool again; /* send another command from the callback */
};

static void on_state(void *arg, bool up)
{
	struct client *c = arg;

	ck_assert_int_eq(up, redisq_up(c->q));
	*(up ? &c->ups : &c->downs) += 1;
}

static struct client *client_new(const char *url, int pending_max, int64_t timeout_ms)
{
	struct client *c = calloc(1, sizeof(*c));
	struct err e = ERR_INIT;

	ck_assert_msg(redisq_new(base, url, pending_max, timeout_ms, on_state, c, &c->q, &e) == 0,
		      "%s", e.msg);
	ck_assert(!redisq_up(c->q));
	return c;
}

static void client_free(struct client *c)
{
	redisq_free(c->q);
	ck_assert_int_eq(c->ended, c->sent);
	free(c);
}

static void command(struct client *c, const char *words);

static void on_reply(void *arg, int err, const struct redisq_reply *r)
{
	struct client *c = arg;

	c->ended++;
	ck_assert_int_le(c->ended, c->sent); /* not from inside the call, not twice */
	ck_assert_int_eq(err == 0, r != NULL);
	if (err != 0) {
		c->failed[-err]++;
	} else {
		c->ok++;
		if (redisq_kind(r) == REDISQ_INTEGER)
			c->sum += redisq_int(r);
		else if (redisq_kind(r) != REDISQ_ARRAY)
			(void)snprintf(c->last, sizeof(c->last), "%.*s", (int)redisq_str(r).len,
				       redisq_str(r).ptr != NULL ? redisq_str(r).ptr : "");
	}
	if (c->again) {
		c->again = false;
		command(c, "PING");
	}
}

/* Sends the words, split at spaces. */
static void command(struct client *c, const char *words)
{
	struct slice argv[16];
	size_t n = 0;
	int ended = c->ended;

	for (const char *p = words; *p != '\0';) {
		size_t len = strcspn(p, " ");

		argv[n++] = (struct slice){p, len};
		p += len + (p[len] == ' ');
	}
	c->sent++;
	redisq_command(c->q, argv, n, on_reply, c);
	ck_assert_int_eq(c->ended, ended);
}

static bool is_up(void *arg)
{
	const struct client *c = arg;

	return redisq_up(c->q);
}

static bool is_down(void *arg)
{
	return !is_up(arg);
}

static bool all_ended(void *arg)
{
	const struct client *c = arg;

	return c->ended == c->sent;
}

static bool has_reason(void *arg)
{
	const struct client *c = arg;

	return redisq_reason(c->q)[0] != '\0';
}

static struct client *client_up(const char *url, int pending_max, int64_t timeout_ms)
{
	struct client *c = client_new(url, pending_max, timeout_ms);

	loop_until(base, is_up, c);
	ck_assert_int_eq(c->ups, 1);
	ck_assert_str_eq(redisq_reason(c->q), "");
	return c;
}

/* ---- replies */

static void on_kinds(void *arg, int err, const struct redisq_reply *r)
{
	struct client *c = arg;

	c->ended++;
	ck_assert_int_eq(err, 0);
	ck_assert_int_eq(redisq_kind(r), REDISQ_ARRAY);
	ck_assert_uint_eq(redisq_len(r), 4);
	ck_assert_int_eq(redisq_int(redisq_at(r, 0)), -7);
	ck_assert_int_eq(redisq_kind(redisq_at(r, 1)), REDISQ_STRING);
	ck_assert(slice_eq(redisq_str(redisq_at(r, 1)), SLICE_LIT("a\0b")));
	ck_assert_int_eq(redisq_kind(redisq_at(r, 2)), REDISQ_NIL);
	ck_assert_uint_eq(redisq_str(redisq_at(r, 2)).len, 0);
	ck_assert_uint_eq(redisq_len(redisq_at(r, 3)), 1);
}

START_TEST(test_replies)
{
	const struct slice eval[] = {SLICE_LIT("EVAL"),
				     SLICE_LIT("return {-7, ARGV[1], false, {'x'}}"),
				     SLICE_LIT("0"), SLICE_LIT("a\0b")};
	const struct slice set[] = {SLICE_LIT("SET"), SLICE_LIT("k"), SLICE_LIT("")};
	struct client *c;

	start_server(NULL);
	c = client_up(socket_url, 10, 2000);
	c->sent++;
	redisq_command(c->q, eval, ARRAY_SIZE(eval), on_kinds, c);
	redisq_command(c->q, set, ARRAY_SIZE(set), NULL, NULL);
	command(c, "GET k");
	command(c, "PING");
	loop_until(base, all_ended, c);
	ck_assert_str_eq(c->last, "PONG");
	command(c, "INCR");
	loop_until(base, all_ended, c);
	ck_assert_ptr_nonnull(strstr(c->last, "wrong number of arguments"));
	client_free(c);
}
END_TEST

START_TEST(test_pipeline)
{
	struct client *c;

	start_server(NULL);
	c = client_up(socket_url, 10000, 10000);
	for (int i = 0; i < 10000; i++)
		command(c, "INCR n");
	command(c, "INCR n"); /* one more than may wait */
	loop_until(base, all_ended, c);
	ck_assert_int_eq(c->ok, 10000);
	ck_assert_int_eq(c->sum, INT64_C(10000) * 10001 / 2);
	ck_assert_int_eq(c->failed[EAGAIN], 1);
	ck_assert_int_eq(c->downs, 0);
	client_free(c);
}
END_TEST

START_TEST(test_command_in_callback)
{
	struct client *c;

	start_server(NULL);
	c = client_up(socket_url, 10, 2000);
	c->again = true;
	command(c, "PING");
	loop_until(base, all_ended, c);
	ck_assert_int_eq(c->ok, 2);
	client_free(c);
}
END_TEST

/* ---- where to */

START_TEST(test_database)
{
	struct client *a, *b;
	char url[160];

	start_server(NULL);
	(void)snprintf(url, sizeof(url), "redis://localhost:%d/3", port);
	a = client_up(url, 10, 2000);
	(void)snprintf(url, sizeof(url), "%s?db=3", socket_url);
	b = client_up(url, 10, 2000);
	command(a, "SET k three");
	loop_until(base, all_ended, a);
	command(b, "GET k");
	loop_until(base, all_ended, b);
	ck_assert_str_eq(b->last, "three");
	command(b, "SELECT 0");
	command(b, "EXISTS k");
	loop_until(base, all_ended, b);
	ck_assert_int_eq(b->sum, 0);
	client_free(a);
	client_free(b);
}
END_TEST

START_TEST(test_password)
{
	struct client *good, *named, *bad, *none;
	char url[160];

	start_server("p@ss/w");
	(void)snprintf(url, sizeof(url), "redis://:p%%40ss%%2Fw@127.0.0.1:%d", port);
	good = client_up(url, 10, 2000);
	(void)snprintf(url, sizeof(url), "redis://default:p%%40ss%%2Fw@127.0.0.1:%d/1", port);
	named = client_up(url, 10, 2000);
	(void)snprintf(url, sizeof(url), "redis://:wrong@127.0.0.1:%d/0", port);
	bad = client_new(url, 10, 2000);
	loop_until(base, has_reason, bad);
	ck_assert_ptr_nonnull(strstr(redisq_reason(bad->q), "WRONGPASS"));
	none = client_new(socket_url, 10, 2000);
	loop_until(base, has_reason, none);
	ck_assert_ptr_nonnull(strstr(redisq_reason(none->q), "NOAUTH"));
	ck_assert_int_eq(bad->ups + bad->downs + none->ups + none->downs, 0);
	client_free(good);
	client_free(named);
	client_free(bad);
	client_free(none);
}
END_TEST

static const char *const bad_urls[] = {
	"",
	"http://127.0.0.1",
	"redis://",
	"redis://:secret@",
	"redis://127.0.0.1:0",
	"redis://127.0.0.1:65536",
	"redis://127.0.0.1:6379x",
	"redis://127.0.0.1:6379/x",
	"redis://127.0.0.1/-1",
	"redis://127.0.0.1/1/2",
	"redis://secret@127.0.0.1",
	"redis://:se%zzcret@127.0.0.1",
	"redis://[::1",
	"redis://[::1]x",
	"unix://relative",
	"unix:///path?db=",
	"unix:///path?dbx=1",
	"redis://no-such-host.invalid",
};

START_TEST(test_bad_url)
{
	struct redisq *q = NULL;
	struct err e = ERR_INIT;

	ck_assert_int_lt(redisq_new(base, bad_urls[_i], 10, 1000, NULL, NULL, &q, &e), 0);
	ck_assert_ptr_null(q);
	ck_assert_ptr_nonnull(strstr(e.msg, "redis_url"));
	ck_assert_ptr_null(strstr(e.msg, "secret"));
}
END_TEST

START_TEST(test_good_url)
{
	static const char *const urls[] = {
		"redis://127.0.0.1",  "redis://127.0.0.1/",      "redis://127.0.0.1:6379/15",
		"redis://[::1]:6379", "redis://u:p@127.0.0.1/0", "unix:///no/such/socket?db=1",
	};
	struct redisq *q = NULL;
	struct err e = ERR_INIT;

	ck_assert_msg(redisq_new(base, urls[_i], 1, 1, NULL, NULL, &q, &e) == 0, "%s", e.msg);
	redisq_free(q);
}
END_TEST

/* ---- losing the server */

START_TEST(test_no_server)
{
	struct client *c = client_new(socket_url, 10, 2000);

	command(c, "PING");
	loop_until(base, all_ended, c);
	ck_assert_int_eq(c->failed[EAGAIN], 1);
	loop_until(base, has_reason, c);
	c->again = true;
	command(c, "PING");
	loop_until(base, all_ended, c);
	ck_assert_int_eq(c->failed[EAGAIN], 3);
	start_server(NULL);
	loop_until(base, is_up, c);
	ck_assert_int_eq(c->downs, 0);
	client_free(c);
}
END_TEST

START_TEST(test_no_server_tcp)
{
	struct client *c;
	char url[160];

	(void)snprintf(url, sizeof(url), "redis://127.0.0.1:%d", port);
	c = client_new(url, 10, 2000);
	loop_until(base, has_reason, c);
	ck_assert_ptr_nonnull(strstr(redisq_reason(c->q), "refused"));
	start_server(NULL);
	loop_until(base, is_up, c);
	client_free(c);
}
END_TEST

/* Killed with commands in flight: all of them end, then everything fails at once, then it is back
 * without our doing. */
START_TEST(test_killed_mid_flight)
{
	struct client *c;

	start_server(NULL);
	c = client_up(socket_url, 10000, 10000);
	(void)kill(server, SIGSTOP);
	for (int i = 0; i < 5000; i++)
		command(c, "INCR n");
	loop_for(base, 20); /* they are on their way */
	ck_assert_int_eq(c->ended, 0);
	c->again = true; /* the first callback sends one more: the connection is gone */
	end_server(SIGKILL);
	loop_until(base, all_ended, c);
	ck_assert_int_eq(c->failed[ECONNRESET], 5000);
	ck_assert_int_eq(c->failed[EAGAIN], 1);
	ck_assert_int_eq(c->downs, 1);
	ck_assert_str_ne(redisq_reason(c->q), "");
	start_server(NULL);
	loop_until(base, is_up, c);
	ck_assert_int_eq(c->ups, 2);
	command(c, "INCR n");
	loop_until(base, all_ended, c);
	ck_assert_int_eq(c->ok, 1);
	client_free(c);
}
END_TEST

/* Stuck, not dead: the oldest command's time-out gives the connection up; it is not up again before
 * the server answers. */
START_TEST(test_stuck)
{
	struct client *c;

	start_server(NULL);
	c = client_up(socket_url, 100, 100);
	for (int i = 0; i < 50; i++)
		command(c, "PING");
	loop_until(base, all_ended, c);
	(void)kill(server, SIGSTOP);
	for (int i = 0; i < 10; i++)
		command(c, "PING");
	loop_until(base, all_ended, c);
	ck_assert_int_eq(c->ok, 50);
	ck_assert_int_eq(c->failed[ETIMEDOUT], 10);
	ck_assert(is_down(c));
	loop_for(base, 300); /* it connects to the backlog, which is no answer */
	ck_assert(is_down(c));
	(void)kill(server, SIGCONT);
	loop_until(base, is_up, c);
	client_free(c);
}
END_TEST

/* A slow command delays those behind it; with a longer time-out nothing is lost. */
START_TEST(test_slow)
{
	struct client *c;

	start_server(NULL);
	c = client_up(socket_url, 100, 5000);
	command(c, "DEBUG SLEEP 0.2");
	command(c, "INCR n");
	loop_until(base, all_ended, c);
	ck_assert_int_eq(c->ok, 2);
	ck_assert_int_eq(c->downs, 0);
	client_free(c);
}
END_TEST

START_TEST(test_free_with_pending)
{
	struct client *c;

	start_server(NULL);
	c = client_up(socket_url, 10, 5000);
	for (int i = 0; i < 12; i++)
		command(c, "PING");
	redisq_free(c->q);
	ck_assert_int_eq(c->ended, 12);
	ck_assert_int_eq(c->failed[ECANCELED], 12);
	ck_assert_int_eq(c->downs, 0);
	free(c);
	redisq_free(NULL);
}
END_TEST

START_TEST(test_free_while_connecting)
{
	struct client *c;

	start_server(NULL);
	c = client_up(socket_url, 10, 5000);
	client_free(c);
	(void)kill(server, SIGSTOP);
	c = client_new(socket_url, 10, 5000);
	loop_for(base, 50);
	client_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("redisq");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_replies);
	tcase_add_test(tc, test_pipeline);
	tcase_add_test(tc, test_command_in_callback);
	tcase_add_test(tc, test_database);
	tcase_add_test(tc, test_password);
	tcase_add_loop_test(tc, test_bad_url, 0, (int)ARRAY_SIZE(bad_urls));
	tcase_add_loop_test(tc, test_good_url, 0, 6);
	tcase_add_test(tc, test_no_server);
	tcase_add_test(tc, test_no_server_tcp);
	tcase_add_test(tc, test_killed_mid_flight);
	tcase_add_test(tc, test_stuck);
	tcase_add_test(tc, test_slow);
	tcase_add_test(tc, test_free_with_pending);
	tcase_add_test(tc, test_free_while_connecting);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
