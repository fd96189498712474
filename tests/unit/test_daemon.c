/*
 * daemon: a whole life, from the outside. This program is also the daemon that it tests: started
 * again with TEST_DAEMON in the environment it is `testd`.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/daemon/daemon.h"
#include "common/http/httpd.h"

#define WAIT_MS 20000

/* ---- testd */

struct testd_config {
#define KEY CONF_MEMBER
#include "common/config.def"
	KEY(greeting, STRING, "hello", 0, 100, 0, "what /hello answers")
	KEY(broken, CHOICE, "no", 0, 0, 0, "no|start|setting|later: how start fails")
#undef KEY
};

static const struct conf_key testd_keys[] = {
#define KEY(...) CONF_ROW(struct testd_config, __VA_ARGS__)
#include "common/config.def"
	KEY(greeting, STRING, "hello", 0, 100, 0, "what /hello answers")
		KEY(broken, CHOICE, "no", 0, 0, 0, "no|start|setting|later: how start fails")
#undef KEY
};

struct testd {
	struct daemon *d;
	struct httpd *http;
	struct daemon_timer *timer, *freed_by_itself;
	struct httpd_request *slow;
	int ticks, reloads;
};

static void on_hello(struct httpd_request *r, void *arg)
{
	const struct testd *s = arg;
	const struct testd_config *c = daemon_conf(s->d);
	struct strbuf out = STRBUF_INIT;
	struct rlimit files;

	(void)getrlimit(RLIMIT_NOFILE, &files);
	strbuf_appendf(&out, "%s ticks=%d reloads=%d listen=%s instance=%s raised=%d", c->greeting,
		       s->ticks, s->reloads, c->listen, daemon_instance(s->d),
		       files.rlim_cur == files.rlim_max || files.rlim_cur >= 65536);
	httpd_reply(r, 200, "text/plain", strbuf_slice(&out));
	strbuf_clear(&out);
}

static void on_condition(struct httpd_request *r, void *arg)
{
	struct testd *s = arg;

	daemon_condition(s->d, "database", httpd_query(r, "ok") != NULL, "no connection");
	httpd_reply(r, 204, NULL, SLICE_LIT(""));
}

static void on_slow(struct httpd_request *r, void *arg)
{
	struct testd *s = arg;

	s->slow = r;
}

/* Lets go of the slow request, from the admin side so that it works while draining. */
static void finish_slow(void *arg)
{
	struct testd *s = arg;

	s->ticks++;
	if (s->slow != NULL && daemon_draining(s->d) && getenv("TEST_STUCK") == NULL) {
		httpd_reply(s->slow, 200, "text/plain", SLICE_LIT("finished"));
		s->slow = NULL;
	}
}

static void once(void *arg)
{
	struct testd *s = arg;

	daemon_timer_free(s->freed_by_itself);
	s->freed_by_itself = NULL;
}

static const struct httpd_route testd_routes[] = {
	{.method = "GET", .path = "/hello", .handler = on_hello},
	{.method = "GET", .path = "/condition", .handler = on_condition},
	{.method = "GET", .path = "/slow", .handler = on_slow, .deadline_ms = 60000},
};

static int testd_start(struct daemon *d, void *state, struct err *e)
{
	static const struct httpd_limits limits = {
		.headers_max = 4096,
		.body_max = 4096,
		.idle_timeout_ms = 10000,
		.deadline_ms = 10000,
		.connections_max = 10,
	};
	const struct testd_config *c = daemon_conf(d);
	struct testd *s = state;
	char bound[64];
	int r;

	s->d = d;
	if (strcmp(c->broken, "setting") == 0)
		return err_set(e, -EINVAL, "broken cannot be \"setting\"");
	if (strcmp(c->broken, "later") == 0)
		return err_set(e, -EAGAIN, "not now");
	s->timer = daemon_timer_new(d, 0, 10, finish_slow, s);
	s->freed_by_itself = daemon_timer_new(d, 1, 0, once, s);
	s->http = httpd_new(daemon_base(d), &limits);
	httpd_add_routes(s->http, testd_routes, ARRAY_SIZE(testd_routes), s);
	daemon_add_admin_routes(d, s->http);
	if (strcmp(c->broken, "start") == 0)
		return err_set(e, -ECONNREFUSED, "no database");
	r = httpd_listen(s->http, c->listen, bound, e);
	if (r < 0)
		return r;
	daemon_ready(d, bound);
	return 0;
}

static void testd_reload(struct daemon *d, void *state, const void *new_conf)
{
	struct testd *s = state;

	ASSERT(daemon_conf(d) == new_conf);
	s->reloads++;
}

static void on_idle(void *arg)
{
	daemon_drained(arg);
}

static void testd_drain(struct daemon *d, void *state)
{
	struct testd *s = state;

	if (s->http != NULL)
		httpd_drain(s->http, on_idle, d);
	else
		daemon_drained(d);
}

static void testd_stop(struct daemon *d, void *state)
{
	struct testd *s = state;

	(void)d;
	daemon_timer_free(s->timer);
	daemon_timer_free(s->freed_by_itself);
	httpd_free(s->http);
	if (s->slow != NULL)
		httpd_reply_problem(s->slow, PROBLEM_UNAVAILABLE, NULL);
}

/* "quit CODE": ends by itself. */
static int quit_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	(void)state;
	if (argc != 1)
		return err_set(e, -EINVAL, "quit takes one argument");
	daemon_quit(d, argv[0][0] == '0' ? DAEMON_OK : DAEMON_DATA);
	daemon_quit(d, DAEMON_BUG); /* the first counts */
	return 0;
}

static int wait_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	(void)state;
	(void)argc;
	(void)argv;
	(void)e;
	daemon_ready(d, "waiting");
	return 0;
}

static const struct daemon_command testd_commands[] = {
	{"quit", "CODE: leaves with it", quit_start},
	{"wait", ": until a signal", wait_start},
	{NULL, NULL, NULL},
};

static const struct daemon_spec testd_spec = {
	.name = "testd",
	.summary = "the daemon of a test",
	.keys = testd_keys,
	.nkeys = ARRAY_SIZE(testd_keys),
	.conf_size = sizeof(struct testd_config),
	.state_size = sizeof(struct testd),
	.commands = testd_commands,
	.start = testd_start,
	.reload = testd_reload,
	.drain = testd_drain,
	.stop = testd_stop,
};

/* ---- the test's side */

static char output_path[64], config_path[64], notify_name[64];
static int notify_fd;
static pid_t child;

static void setup(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	socklen_t len;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(output_path, sizeof(output_path), "/tmp/testd.%d.out", (int)getpid());
	(void)snprintf(config_path, sizeof(config_path), "/tmp/testd.%d.conf", (int)getpid());
	(void)snprintf(notify_name, sizeof(notify_name), "@testd.%d", (int)getpid());
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(sa.sun_path, notify_name, strlen(notify_name));
	sa.sun_path[0] = '\0';
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(notify_name));
	ck_assert_int_eq(bind(notify_fd, (struct sockaddr *)&sa, len), 0);
}

static void teardown(void)
{
	if (child > 0)
		(void)kill(child, SIGKILL);
	(void)unlink(output_path);
	(void)unlink(config_path);
}

/* Starts testd with the arguments up to NULL. */
static void start(const char *first, ...)
{
	char *argv[20] = {NULL};
	const char *word = first;
	int n = 0;
	va_list ap;

	argv[n++] = strdup("testd");
	va_start(ap, first);
	for (; word != NULL; word = va_arg(ap, const char *))
		argv[n++] = strdup(word);
	va_end(ap);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		int out = open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(out, STDOUT_FILENO);
		(void)dup2(out, STDERR_FILENO);
		(void)setenv("TEST_DAEMON", "1", 1);
		(void)setenv("NOTIFY_SOCKET", notify_name, 1);
		(void)execv("/proc/self/exe", argv);
		_exit(127);
	}
	for (int i = 0; i < n; i++)
		free(argv[i]);
}

static const char *output(void)
{
	static char text[65536];
	int fd = open(output_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	(void)close(fd);
	return text;
}

/* The exit code; that nothing went wrong beside it is checked in passing. */
static int ended(void)
{
	int64_t end = clock_mono_ms() + WAIT_MS;
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(child, &status, WNOHANG)) == 0 && clock_mono_ms() < end)
		(void)usleep(1000);
	ck_assert_int_eq(pid, child);
	child = 0;
	ck_assert_ptr_null(strstr(output(), "BUG"));
	ck_assert_ptr_null(strstr(output(), "Sanitizer"));
	ck_assert_msg(WIFEXITED(status), "%s", output());
	return WEXITSTATUS(status);
}

#define assert_has(text, part)                                                         \
	do {                                                                           \
		const char *t_ = (text);                                               \
		ck_assert_msg(strstr(t_, (part)) != NULL, "no %s in: %s", (part), t_); \
	} while (0)

static const char *heard(void)
{
	static char text[1024];
	struct pollfd p = {.fd = notify_fd, .events = POLLIN};
	ssize_t n;

	ck_assert_msg(poll(&p, 1, WAIT_MS) == 1, "nothing heard; %s", output());
	n = recv(notify_fd, text, sizeof(text) - 1, 0);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	return text;
}

static int port_after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);
	int64_t port;

	ck_assert_msg(strncmp(text, prefix, n) == 0, "%s", text);
	ck_assert_int_eq(num_i64((struct slice){text + n, strcspn(text + n, " ")}, 1, 65535, &port),
			 0);
	return (int)port;
}

/* Waits for READY=1; the ports of the two listeners (0: none). */
static void wait_ready(int *ret_port, int *ret_admin)
{
	const char *text = heard(), *admin = strstr(text, " admin=");

	*ret_port = port_after(text, "READY=1\nSTATUS=127.0.0.1:");
	*ret_admin = admin != NULL ? port_after(admin, " admin=127.0.0.1:") : 0;
}

static int request(int port, const char *path)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct timeval limit = {WAIT_MS / 1000, 0};
	char text[256];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		(void)close(fd);
		return -1;
	}
	(void)snprintf(text, sizeof(text),
		       "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path);
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	return fd;
}

static const char *response(int fd)
{
	static char text[65536];
	size_t len = 0;
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	while ((n = recv(fd, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	(void)close(fd);
	return text;
}

static const char *get(int port, const char *path)
{
	return response(request(port, path));
}

static void write_config(const char *text)
{
	FILE *f = fopen(config_path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* ---- */

START_TEST(test_life)
{
	int port, admin;

	start("-o", "instance=here", NULL);
	wait_ready(&port, &admin);
	ck_assert_int_eq(admin, 0);
	assert_has(get(port, "/health"), "{\"status\":\"ok\"}");
	assert_has(get(port, "/ready"), "{\"status\":\"ready\"}");
	assert_has(get(port, "/metrics"), "# TYPE http_server_connections gauge");
	assert_has(get(port, "/metrics"), "Content-Type: text/plain; version=0.0.4");
	assert_has(get(port, "/hello"), "instance=here raised=1");
	assert_has(get(port, "/condition"), "HTTP/1.1 204 ");
	assert_has(get(port, "/ready"), "HTTP/1.1 503 ");
	assert_has(get(port, "/ready"),
		   "{\"status\":\"unavailable\",\"reasons\":"
		   "[{\"condition\":\"database\",\"reason\":\"no connection\"}]}");
	assert_has(output(), "not ready");
	(void)get(port, "/condition?ok");
	assert_has(get(port, "/ready"), "HTTP/1.1 200 ");
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	ck_assert_str_eq(heard(), "STOPPING=1");
	ck_assert_int_eq(ended(), DAEMON_OK);
	assert_has(output(), "drained");
}
END_TEST

START_TEST(test_drain)
{
	int port, admin, slow;

	start("-o", "admin_listen=127.0.0.1:0", NULL);
	wait_ready(&port, &admin);
	assert_has(get(port, "/metrics"), "HTTP/1.1 404 ");
	assert_has(get(port, "/ready"), "HTTP/1.1 200 ");
	assert_has(get(admin, "/metrics"), "HTTP/1.1 200 ");
	slow = request(port, "/slow");
	assert_has(get(port, "/health"), "ok");
	ck_assert_int_eq(kill(child, SIGINT), 0);
	ck_assert_str_eq(heard(), "STOPPING=1");
	assert_has(response(slow), "finished");
	ck_assert_int_eq(ended(), DAEMON_OK);
}
END_TEST

/* While draining: nothing new, not ready, the request in flight is waited for; a second signal or
 * the limit ends that. */
START_TEST(test_leaves_work_behind)
{
	int port, admin, slow;
	int64_t begun;

	(void)setenv("TEST_STUCK", "1", 1);
	start("-o", "admin_listen=127.0.0.1:0", "-o",
	      _i == 0 ? "drain_timeout=10m" : "drain_timeout=200ms", NULL);
	wait_ready(&port, &admin);
	slow = request(port, "/slow");
	assert_has(get(port, "/health"), "ok");
	begun = clock_mono_ms();
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	ck_assert_str_eq(heard(), "STOPPING=1");
	if (_i == 0) {
		ck_assert_int_lt(request(port, "/hello"), 0);
		assert_has(get(admin, "/ready"), "the daemon is stopping");
		ck_assert_int_eq(kill(child, SIGTERM), 0);
	}
	ck_assert_int_eq(ended(), DAEMON_TEMPORARY);
	if (_i == 1)
		ck_assert_int_ge(clock_mono_ms() - begun, 150);
	assert_has(response(slow), "HTTP/1.1 503 ");
}
END_TEST

START_TEST(test_reload)
{
	int port, admin;

	write_config("greeting = first\nlog_level = info\n");
	start("-c", config_path, NULL);
	wait_ready(&port, &admin);
	assert_has(get(port, "/hello"), "first");

	write_config("greeting = second\nlisten = 127.0.0.1:1\n");
	ck_assert_int_eq(kill(child, SIGHUP), 0);
	assert_has(heard(), "RELOADING=1\nMONOTONIC_USEC=");
	ck_assert_str_eq(heard(), "READY=1");
	assert_has(get(port, "/hello"), "second");
	assert_has(get(port, "/hello"), "reloads=1 listen=127.0.0.1:0");
	assert_has(output(), "setting changes only by a restart");
	assert_has(output(), "listen");

	write_config("greeting = third\nno_such_key = 1\n");
	ck_assert_int_eq(kill(child, SIGHUP), 0);
	assert_has(heard(), "RELOADING=1");
	ck_assert_str_eq(heard(), "READY=1");
	assert_has(output(), "settings not reloaded");
	assert_has(output(), "no_such_key");
	assert_has(get(port, "/hello"), "second");
	assert_has(get(port, "/hello"), "reloads=1");
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	ck_assert_int_eq(ended(), DAEMON_OK);
}
END_TEST

START_TEST(test_watchdog)
{
	int port, admin;

	(void)setenv("WATCHDOG_USEC", "100000", 1);
	start(NULL);
	wait_ready(&port, &admin);
	ck_assert_str_eq(heard(), "WATCHDOG=1");
	ck_assert_str_eq(heard(), "WATCHDOG=1");
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	ck_assert_int_eq(ended(), DAEMON_OK);
}
END_TEST

static const struct {
	const char *argv[6];
	int code;
	const char *output;
} runs[] = {
	{{"-h"}, 0, "quit CODE: leaves with it"},
	{{"--help-config"}, 0, "what /hello answers"},
	{{"-V"}, 0, "libevent"},
	{{"-t"}, 0, ""},
	{{"-t", "-o", "greeting=x"}, 0, ""},
	{{"--print-config", "-o", "greeting=from here"}, 0, "greeting = from here\n"},
	{{"--print-config", "-o", "redis_url=redis://:hunter2@h"}, 0, "redis_url = ***\n"},
	{{"-t", "-o", "greetings=x"}, 78, "greetings"},
	{{"-o", "log_level=loud"}, 78, "debug|info|warn|error"},
	{{"-c", "/no/such/file"}, 78, "/no/such/file"},
	{{"-x"}, 64, "invalid option"},
	{{"-c"}, 64, "requires an argument"},
	{{"dance"}, 64, "there is no command dance"},
	{{"quit"}, 64, "quit takes one argument"},
	{{"quit", "0"}, 0, ""},
	{{"quit", "1"}, 65, ""},
	{{"quit", "-h"}, 65, ""},
	{{"-o", "broken=start"}, 69, "no database"},
	{{"-o", "broken=setting"}, 78, "broken cannot be"},
	{{"-o", "broken=later"}, 75, "not now"},
	{{"-o", "listen=127.0.0.1:1", "-o", "listen=256.0.0.1:1"}, 69, "cannot listen"},
	{{"-o", "admin_listen=nowhere"}, 78, "admin_listen"},
};

START_TEST(test_runs)
{
	const char *const *a = runs[_i].argv;

	start(a[0], a[1], a[2], a[3], a[4], a[5], NULL);
	ck_assert_int_eq(ended(), runs[_i].code);
	assert_has(output(), runs[_i].output);
	ck_assert_ptr_null(strstr(output(), "hunter2"));
}
END_TEST

START_TEST(test_port_taken)
{
	char taken[64];
	int port, admin;
	pid_t first;

	start(NULL);
	wait_ready(&port, &admin);
	first = child;
	(void)snprintf(taken, sizeof(taken), "listen=127.0.0.1:%d", port);
	start("-o", taken, NULL);
	ck_assert_int_eq(ended(), DAEMON_UNAVAILABLE);
	assert_has(output(), "Address already in use");
	child = first;
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	ck_assert_int_eq(ended(), DAEMON_OK);
}
END_TEST

/* A one-shot that a signal stopped has not done its work. */
START_TEST(test_one_shot_interrupted)
{
	start("wait", NULL);
	ck_assert_str_eq(heard(), "READY=1\nSTATUS=waiting");
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	ck_assert_int_eq(ended(), DAEMON_TEMPORARY);
}
END_TEST

START_TEST(test_environment)
{
	(void)setenv("ANALYTICS_GREETING", "from the environment", 1);
	start("--print-config", NULL);
	ck_assert_int_eq(ended(), DAEMON_OK);
	assert_has(output(), "greeting = from the environment\n");
	(void)setenv("ANALYTICS_GREETINGS", "x", 1);
	start("-t", NULL);
	ck_assert_int_eq(ended(), DAEMON_CONFIG);
	assert_has(output(), "ANALYTICS_GREETINGS");
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s;
	TCase *tc;

	if (getenv("TEST_DAEMON") != NULL)
		return daemon_main(&testd_spec, argc, argv);
	s = suite_create("daemon");
	tc = tcase_create("all");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_life);
	tcase_add_test(tc, test_drain);
	tcase_add_loop_test(tc, test_leaves_work_behind, 0, 2);
	tcase_add_test(tc, test_reload);
	tcase_add_test(tc, test_watchdog);
	tcase_add_loop_test(tc, test_runs, 0, (int)ARRAY_SIZE(runs));
	tcase_add_test(tc, test_port_taken);
	tcase_add_test(tc, test_one_shot_interrupted);
	tcase_add_test(tc, test_environment);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
