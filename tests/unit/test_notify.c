/* notify: what a supervisor receives, and when there is none. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/daemon/notify.h"

/* A supervisor's socket at `name` ('@' in front: abstract), announced in the environment. */
static int supervise(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));

	memcpy(sa.sun_path, name, strlen(name));
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static const char *heard(int fd)
{
	static char text[2048];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

START_TEST(test_send)
{
	char path[64], abstract[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/tmp/notify.%d", (int)getpid());
	(void)snprintf(abstract, sizeof(abstract), "@notify.%d", (int)getpid());
	fd = supervise(path);
	ck_assert_int_eq(notify_send("READY=1\nSTATUS=%s", "127.0.0.1:80"), 1);
	ck_assert_str_eq(heard(fd), "READY=1\nSTATUS=127.0.0.1:80");
	(void)close(fd);
	ck_assert_int_eq(notify_send("STOPPING=1"), -ECONNREFUSED);
	(void)unlink(path);
	ck_assert_int_eq(notify_send("STOPPING=1"), -ENOENT);

	fd = supervise(abstract);
	ck_assert_int_eq(notify_send("WATCHDOG=1"), 1);
	ck_assert_str_eq(heard(fd), "WATCHDOG=1");
	clock_set_for_test(0, 1234567);
	ck_assert_int_eq(notify_reloading(), 1);
	ck_assert_str_eq(heard(fd), "RELOADING=1\nMONOTONIC_USEC=1234567");
	(void)close(fd);
}
END_TEST

/* A supervisor that does not read must not stop us. */
START_TEST(test_does_not_block)
{
	char name[64];
	int fd, r = 1;

	(void)snprintf(name, sizeof(name), "@notify.%d", (int)getpid());
	fd = supervise(name);
	for (int i = 0; i < 100000 && r == 1; i++)
		r = notify_send("STATUS=%d", i);
	ck_assert_int_eq(r, -EAGAIN);
	(void)close(fd);
}
END_TEST

START_TEST(test_no_supervisor)
{
	char text[200];

	(void)unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_send("READY=1"), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	ck_assert_int_eq(notify_send("READY=1"), 0);
	memset(text, 'x', sizeof(text) - 1);
	text[0] = '/';
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", text, 1), 0);
	ck_assert_int_eq(notify_send("READY=1"), 0);
}
END_TEST

START_TEST(test_watchdog)
{
	char pid[32];

	(void)unsetenv("WATCHDOG_USEC");
	ck_assert_int_eq(notify_watchdog_ms(), 0);
	ck_assert_int_eq(setenv("WATCHDOG_USEC", "30000000", 1), 0);
	(void)unsetenv("WATCHDOG_PID");
	ck_assert_int_eq(notify_watchdog_ms(), 30000);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	ck_assert_int_eq(setenv("WATCHDOG_PID", pid, 1), 0);
	ck_assert_int_eq(notify_watchdog_ms(), 30000);
	ck_assert_int_eq(setenv("WATCHDOG_PID", "1", 1), 0);
	ck_assert_int_eq(notify_watchdog_ms(), 0);
	ck_assert_int_eq(setenv("WATCHDOG_USEC", "soon", 1), 0);
	ck_assert_int_eq(notify_watchdog_ms(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("notify");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_send);
	tcase_add_test(tc, test_does_not_block);
	tcase_add_test(tc, test_no_supervisor);
	tcase_add_test(tc, test_watchdog);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
