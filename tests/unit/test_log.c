/* log: every line is one valid JSON object, or one harmless line of text, in one write. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/daemon/log.h"

#define READ_MAX 65536

static int saved_stderr, fds[2];

/* stderr becomes a datagram socket: one read gives what one write put in. */
static void capture(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	clock_set_for_test(INT64_C(1795420800123456), 0);
}

static void release(void)
{
	(void)dup2(saved_stderr, STDERR_FILENO);
	(void)close(saved_stderr);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* The line of the last call without its newline; "" when nothing was written. */
static const char *line(void)
{
	static char text[READ_MAX];
	ssize_t n = read(fds[0], text, sizeof(text) - 1);

	if (n <= 0)
		return "";
	text[n] = '\0';
	ck_assert_int_eq(text[n - 1], '\n');
	text[n - 1] = '\0';
	ck_assert_ptr_null(strchr(text, '\n'));
	return text;
}

START_TEST(test_json)
{
	char expected[256];

	log_setup("etld", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_warn("unit applied", LOG_S("tenant_id", "tnt_1"), LOG_I("events", -12),
		 LOG_S("none", (const char *)NULL));
	(void)snprintf(expected, sizeof(expected),
		       "{\"severity\":\"WARNING\",\"message\":\"unit applied\","
		       "\"ts\":\"2026-11-23T08:00:00.123Z\",\"service\":\"etld\",\"pid\":%d,"
		       "\"tenant_id\":\"tnt_1\",\"events\":-12,\"none\":\"\"}",
		       (int)getpid());
	ck_assert_str_eq(line(), expected);
}
END_TEST

START_TEST(test_trace)
{
	log_setup("etld", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("ended", LOG_TRACE(NULL), LOG_I("status", 200));
	ck_assert_ptr_null(strstr(line(), "trace"));
	log_info("ended", LOG_TRACE("4bf92f3577b34da6a3ce929d0e0e4736"), LOG_I("status", 200));
	ck_assert_ptr_nonnull(strstr(line(),
				     ",\"logging.googleapis.com/trace\":"
				     "\"4bf92f3577b34da6a3ce929d0e0e4736\",\"status\":200}"));
	log_set_trace_project("hotels");
	log_info("ended", LOG_TRACE("4bf92f3577b34da6a3ce929d0e0e4736"));
	ck_assert_ptr_nonnull(
		strstr(line(), "\"projects/hotels/traces/4bf92f3577b34da6a3ce929d0e0e4736\"}"));
	log_setup("etld", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_info("ended", LOG_TRACE("4bf92f3577b34da6a3ce929d0e0e4736"));
	ck_assert_ptr_nonnull(strstr(line(), " trace=4bf92f3577b34da6a3ce929d0e0e4736"));
}
END_TEST

START_TEST(test_text)
{
	char expected[256];

	log_setup("etld", LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
	log_error("unit applied", LOG_S("a", "bare/1"), LOG_S("b", "two words"), LOG_S("c", ""),
		  LOG_S("d", "a=b"), LOG_S("e", "\x1b[2J\xc2\x9b"), LOG_I("n", 7));
	(void)snprintf(
		expected, sizeof(expected),
		"2026-11-23T08:00:00.123Z ERROR etld[%d] unit applied a=bare/1 b=\"two words\" "
		"c=\"\" d=\"a=b\" e=\"\\u001b[2J\\u009b\" n=7",
		(int)getpid());
	ck_assert_str_eq(line(), expected);
}
END_TEST

START_TEST(test_levels)
{
	log_setup("etld", LOG_LEVEL_WARN, LOG_FORMAT_JSON);
	log_debug("no");
	log_info("no");
	ck_assert_str_eq(line(), "");
	log_warn("yes");
	ck_assert_str_ne(line(), "");
	log_error("yes");
	ck_assert_str_ne(line(), "");
	/* not a terminal: JSON */
	log_setup("etld", LOG_LEVEL_DEBUG, LOG_FORMAT_AUTO);
	log_debug("yes");
	ck_assert_int_eq(line()[0], '{');
}
END_TEST

static struct json *parsed_line(void)
{
	struct json *j;
	struct err e;

	ck_assert_msg(json_parse(slice_of(line()), READ_MAX, &j, &e) == 0, "%s", e.msg);
	return j;
}

/* Nobody who controls a value can make a second line, break the JSON or flood the log. */
START_TEST(test_hostile)
{
	static char huge[100000];
	struct json *j;

	log_setup("etld", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("event", LOG_S("id", "x\"}\n{\"severity\":\"ERROR\"\r\x01\xff\xed\xa0\x80"));
	j = parsed_line();
	ck_assert_str_eq(json_string_or_null(json_get(j, "severity")), "INFO");
	json_free(j);

	memset(huge, 'h', sizeof(huge) - 1);
	log_info("event", LOG_S("a", huge), LOG_I("b", 1));
	j = parsed_line();
	ck_assert_uint_eq(strlen(json_string_or_null(json_get(j, "a"))), 2048);
	ck_assert_ptr_nonnull(json_get(j, "b"));
	json_free(j);
}
END_TEST

/* Values that grow six times by escaping; a cut between the bytes of a character. */
START_TEST(test_too_many)
{
	static char control[3000], euros[3001];
	struct json *j;

	memset(control, 1, sizeof(control) - 1);
	for (size_t i = 0; i < sizeof(euros) - 1; i++)
		euros[i] = "\xe2\x82\xac"[i % 3];
	log_setup("etld", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("event", LOG_S("euros", euros), LOG_S("a", control), LOG_S("left_out", control),
		 LOG_I("n", 1));
	j = parsed_line();
	ck_assert_uint_eq(strlen(json_string_or_null(json_get(j, "euros"))), 2046);
	ck_assert_ptr_nonnull(json_get(j, "a"));
	ck_assert_ptr_null(json_get(j, "left_out"));
	ck_assert_ptr_nonnull(json_get(j, "n"));
	json_free(j);
}
END_TEST

START_TEST(test_errno)
{
	errno = ENOSPC;
	log_setup("etld", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	for (int i = 0; i < 100000; i++) /* until the socket is full: the rest is lost */
		log_info("event");
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, capture, release);
	tcase_add_test(tc, test_json);
	tcase_add_test(tc, test_trace);
	tcase_add_test(tc, test_text);
	tcase_add_test(tc, test_levels);
	tcase_add_test(tc, test_hostile);
	tcase_add_test(tc, test_too_many);
	tcase_add_test(tc, test_errno);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
