/* conf: every type and its limits, the order of the sources, messages, secrets, output. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon/conf.h"

#define TEST_KEYS(KEY)                                                                          \
	KEY(listen, ADDR, "127.0.0.1:0", 0, 0, CONF_NO_RELOAD, "where it listens")              \
	KEY(database_url, STRING, "postgresql:///x", 1, 64, CONF_SECRET | CONF_NO_RELOAD, "db") \
	KEY(name, STRING, "", 0, 8, 0, "a name")                                                \
	KEY(count, INT, "5", -10, 10, CONF_NO_RELOAD, "how many")                               \
	KEY(any, INT, "0", 0, 0, 0, "any integer")                                              \
	KEY(enabled, BOOL, "true", 0, 0, CONF_NO_RELOAD, "is it on")                            \
	KEY(wait, DURATION, "20s", 0, 600000, 0, "how long")                                    \
	KEY(size, SIZE, "8MiB", 1024, 1073741824, 0, "how much")                                \
	KEY(format, CHOICE, "auto", 0, 0, 0, "auto|json|text: how it looks")                    \
	KEY(key_file, SECRET_FILE, "", 0, 0, 0, "the key")

struct config {
#define KEY CONF_MEMBER
	TEST_KEYS(KEY)
#undef KEY
};

static const struct conf_key keys[] = {
#define KEY(...) CONF_ROW(struct config, __VA_ARGS__)
	TEST_KEYS(KEY)
#undef KEY
};

static struct config conf;
static struct err e;
static char dir[] = "/tmp/test_conf.XXXXXX", file[64], secret[64];

static void setup(void)
{
	ck_assert_int_eq(clearenv(), 0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(file, sizeof(file), "%s/x.conf", dir);
	(void)snprintf(secret, sizeof(secret), "%s/secret", dir);
}

static void teardown(void)
{
	conf_clear(keys, ARRAY_SIZE(keys), &conf);
	(void)unlink(file);
	(void)unlink(secret);
	(void)rmdir(dir);
}

static void put(const char *path, struct slice content)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(content.ptr, 1, content.len, f), content.len);
	ck_assert_int_eq(fclose(f), 0);
}

/* From the file, if it has content, and one override, if not NULL. */
static int load(const char *content, const char *override)
{
	struct conf_override o = {override};

	conf_clear(keys, ARRAY_SIZE(keys), &conf);
	if (content != NULL)
		put(file, slice_of(content));
	return conf_load(keys, ARRAY_SIZE(keys), content != NULL ? file : NULL, &o,
			 override != NULL, &conf, &e);
}

START_TEST(test_defaults)
{
	ck_assert_msg(load(NULL, NULL) == 0, "%s", e.msg);
	ck_assert_str_eq(conf.listen, "127.0.0.1:0");
	ck_assert_str_eq(conf.name, "");
	ck_assert_int_eq(conf.count, 5);
	ck_assert(conf.enabled);
	ck_assert_int_eq(conf.wait, 20000);
	ck_assert_int_eq(conf.size, 8 << 20);
	ck_assert_str_eq(conf.format, "auto");
	ck_assert_str_eq(conf.key_file, "");
}
END_TEST

START_TEST(test_order)
{
	static const char content[] =
		"# comment\n\n  name =  file  \r\n\tcount=1\nwait=1s\nany = -3";

	ck_assert_msg(load(content, NULL) == 0, "%s", e.msg);
	ck_assert_str_eq(conf.name, "file");
	ck_assert_int_eq(conf.count, 1);
	ck_assert_int_eq(conf.any, -3);
	(void)setenv("ANALYTICS_COUNT", "2", 1);
	(void)setenv("ANALYTICS_WAIT", "2s", 1);
	ck_assert_msg(load(content, "wait=3s") == 0, "%s", e.msg);
	ck_assert_str_eq(conf.name, "file");
	ck_assert_int_eq(conf.count, 2);
	ck_assert_int_eq(conf.wait, 3000);
	/* only what wins must be right */
	ck_assert_msg(load("count = many\nwait = 1s\n", NULL) == 0, "%s", e.msg);
	ck_assert_int_eq(conf.count, 2);
}
END_TEST

START_TEST(test_usual_names)
{
	(void)setenv("DATABASE_URL", "postgresql://h/1", 1);
	(void)setenv("REDIS_URL", "no such key here: ignored", 1);
	(void)setenv("PORT", "8080", 1);
	ck_assert_msg(load("database_url = f\nlisten = 127.0.0.1:1", NULL) == 0, "%s", e.msg);
	ck_assert_str_eq(conf.database_url, "postgresql://h/1");
	ck_assert_str_eq(conf.listen, "0.0.0.0:8080");
	(void)setenv("ANALYTICS_DATABASE_URL", "postgresql://h/2", 1);
	(void)setenv("PORT", "", 1);
	ck_assert_msg(load(NULL, NULL) == 0, "%s", e.msg);
	ck_assert_str_eq(conf.database_url, "postgresql://h/2");
	ck_assert_str_eq(conf.listen, "127.0.0.1:0");
	(void)setenv("PORT", "http", 1);
	ck_assert_int_eq(load(NULL, NULL), -EINVAL);
	ck_assert_str_eq(e.msg, "environment variable PORT: listen must be host:port (port 0: any "
				"free one), not \"0.0.0.0:http\"");
}
END_TEST

static const char *const accepted[] = {
	"listen=[::1]:0",
	"listen=localhost:65535",
	"name=12345678",
	"name=",
	"name=a #b =c",
	"count=-10",
	"count=10",
	"count= 1\n", /* as $(cat file) or a mounted secret ends */
	"any=-9223372036854775808",
	"enabled=off",
	"wait=0s",
	"wait=10m",
	"size=1KiB",
	"size=1GiB",
	"format=text",
	"key_file=",
};

START_TEST(test_accepted)
{
	ck_assert_msg(load(NULL, accepted[_i]) == 0, "%s", e.msg);
}
END_TEST

/* An assignment, and how the message goes on after "-o: ". */
static const struct {
	const char *assignment, *message;
} rejected[] = {
	{"count=11", "count must be an integer from -10 to 10, not \"11\""},
	{"count=", "count must be an integer from -10 to 10, not \"\""},
	{"count=1 1", "count must be an integer from -10 to 10, not \"1 1\""},
	{"any=9223372036854775808", "any must be an integer, not \"9223372036854775808\""},
	{"enabled=maybe", "enabled must be true or false, not \"maybe\""},
	{"wait=5", "wait must be a duration with unit (ms, s, m, h, d) from 0s to 10m, not \"5\""},
	{"wait=601s",
	 "wait must be a duration with unit (ms, s, m, h, d) from 0s to 10m, not \"601s\""},
	{"size=1023B",
	 "size must be a size with unit (B, KiB, MiB, GiB) from 1KiB to 1GiB, not \"1023B\""},
	{"format=xml", "format must be one of auto|json|text, not \"xml\""},
	{"format=json|text", "format must be one of auto|json|text, not \"json|text\""},
	{"format=", "format must be one of auto|json|text, not \"\""},
	{"name=123456789", "name must be text of 0 to 8 bytes, not \"123456789\""},
	{"name=a\nb", "name must be text of 0 to 8 bytes, not \"a\nb\""},
	/* no secret in a message */
	{"database_url=", "database_url must be text of 1 to 64 bytes"},
	{"listen=", "listen must be host:port (port 0: any free one), not \"\""},
	{"listen=80", "listen must be host:port (port 0: any free one), not \"80\""},
	{"listen=:80", "listen must be host:port (port 0: any free one), not \":80\""},
	{"listen=h:", "listen must be host:port (port 0: any free one), not \"h:\""},
	{"listen=h:65536", "listen must be host:port (port 0: any free one), not \"h:65536\""},
	{"listen=::1:80", "listen must be host:port (port 0: any free one), not \"::1:80\""},
	{"listen=a b:80", "listen must be host:port (port 0: any free one), not \"a b:80\""},
	{"nonsense=1", "there is no setting \"nonsense\""},
	{"=1", "there is no setting \"\""},
	{"Count=1", "there is no setting \"Count\""},
};

START_TEST(test_rejected)
{
	ck_assert_int_eq(load(NULL, rejected[_i].assignment), -EINVAL);
	ck_assert_mem_eq(e.msg, "-o: ", 4);
	ck_assert_str_eq(e.msg + 4, rejected[_i].message);
	ck_assert_ptr_null(conf.listen); /* cleared */
	ck_assert_int_eq(conf.count, 0);
}
END_TEST

START_TEST(test_places)
{
	char expected[256];

	ck_assert_int_eq(load("# x\n\ncount = many\n", NULL), -EINVAL);
	(void)snprintf(expected, sizeof(expected),
		       "%s:3: count must be an integer from -10 to 10, not \"many\"", file);
	ck_assert_str_eq(e.msg, expected);
	ck_assert_int_eq(load("count = 1\nlog = 2\n", NULL), -EINVAL);
	(void)snprintf(expected, sizeof(expected), "%s:2: there is no setting \"log\"", file);
	ck_assert_str_eq(e.msg, expected);
	ck_assert_int_eq(load("count = 1\n[section]\n", NULL), -EINVAL);
	(void)snprintf(expected, sizeof(expected),
		       "%s:2: a line must be `key = value` or a # comment", file);
	ck_assert_str_eq(e.msg, expected);
	ck_assert_int_eq(load("count = 1\nany = 1\ncount = 1\n", NULL), -EINVAL);
	(void)snprintf(expected, sizeof(expected), "%s:3: count is set in line 1 already", file);
	ck_assert_str_eq(e.msg, expected);
	ck_assert_int_eq(load(NULL, "count"), -EINVAL);
	ck_assert_str_eq(e.msg, "-o count: must be key=value");
	(void)setenv("ANALYTICS_COUNTS", "1", 1);
	ck_assert_int_eq(load(NULL, NULL), -EINVAL);
	ck_assert_str_eq(e.msg, "environment variable ANALYTICS_COUNTS: there is no such setting");
	(void)unsetenv("ANALYTICS_COUNTS");
	(void)setenv("ANALYTICS_count", "1", 1);
	ck_assert_int_eq(load(NULL, NULL), -EINVAL);
	ck_assert_str_eq(e.msg, "environment variable ANALYTICS_count: there is no such setting");
}
END_TEST

START_TEST(test_bad_files)
{
	static char huge[(1 << 20) + 1];

	ck_assert_int_eq(conf_load(keys, ARRAY_SIZE(keys), file, NULL, 0, &conf, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "No such file"));
	ck_assert_int_eq(conf_load(keys, ARRAY_SIZE(keys), dir, NULL, 0, &conf, &e), -EINVAL);
	put(file, SLICE_LIT("name = a\0b\n"));
	ck_assert_int_eq(conf_load(keys, ARRAY_SIZE(keys), file, NULL, 0, &conf, &e), -EINVAL);
	memset(huge, '#', sizeof(huge));
	put(file, (struct slice){huge, sizeof(huge)});
	ck_assert_int_eq(conf_load(keys, ARRAY_SIZE(keys), file, NULL, 0, &conf, &e), -EINVAL);
	put(file, (struct slice){huge, sizeof(huge) - 1});
	ck_assert_int_eq(conf_load(keys, ARRAY_SIZE(keys), file, NULL, 0, &conf, &e), 0);
}
END_TEST

START_TEST(test_secret_file)
{
	struct strbuf b = STRBUF_INIT;
	char assignment[80], expected[256];

	(void)snprintf(assignment, sizeof(assignment), "key_file=%s", secret);
	ck_assert_int_eq(load(NULL, assignment), -EINVAL);
	(void)snprintf(expected, sizeof(expected),
		       "-o: key_file: cannot open %s: No such file or directory", secret);
	ck_assert_str_eq(e.msg, expected);
	put(secret, SLICE_LIT("\n  hunter 2 \n\n"));
	ck_assert_msg(load("database_url = postgresql://u:hunter2@h/db", assignment) == 0, "%s",
		      e.msg);
	ck_assert_str_eq(conf.key_file, "hunter 2");
	conf_print(keys, ARRAY_SIZE(keys), &conf, &b);
	ck_assert_ptr_null(strstr(strbuf_cstr(&b), "hunter"));
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&b), "\nkey_file = ***\n"));
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&b), "\ndatabase_url = ***\n"));
	strbuf_clear(&b);
	put(secret, SLICE_LIT(" \n"));
	ck_assert_int_eq(load(NULL, assignment), -EINVAL);
	put(secret, SLICE_LIT("a\0b"));
	ck_assert_int_eq(load(NULL, assignment), -EINVAL);
}
END_TEST

START_TEST(test_print)
{
	struct strbuf b = STRBUF_INIT;

	ck_assert_int_eq(load("wait = 90s\nsize = 1536KiB\n", "enabled=no"), 0);
	conf_print(keys, ARRAY_SIZE(keys), &conf, &b);
	ck_assert_str_eq(strbuf_cstr(&b), "listen = 127.0.0.1:0\n"
					  "database_url = ***\n"
					  "name = \n"
					  "count = 5\n"
					  "any = 0\n"
					  "enabled = false\n"
					  "wait = 90s\n"
					  "size = 1536KiB\n"
					  "format = auto\n"
					  "key_file = \n");
	strbuf_clear(&b);
}
END_TEST

/* The help is a file that loads and says nothing but the defaults. */
START_TEST(test_help_is_a_sample)
{
	struct strbuf help = STRBUF_INIT, a = STRBUF_INIT, b = STRBUF_INIT;

	conf_help(keys, ARRAY_SIZE(keys), &help);
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&help), "# how it looks\n"
							 "# one of auto|json|text\n"
							 "format = auto\n"));
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&help),
				     "# how many\n"
				     "# an integer from -10 to 10; a reload does not change it\n"
				     "count = 5\n"));
	ck_assert_int_eq(load(NULL, NULL), 0);
	conf_print(keys, ARRAY_SIZE(keys), &conf, &a);
	ck_assert_msg(load(strbuf_cstr(&help), NULL) == 0, "%s", e.msg);
	conf_print(keys, ARRAY_SIZE(keys), &conf, &b);
	ck_assert_str_eq(strbuf_cstr(&a), strbuf_cstr(&b));
	strbuf_clear(&help);
	strbuf_clear(&a);
	strbuf_clear(&b);
}
END_TEST

static void append_name(const struct conf_key *k, void *arg)
{
	strbuf_appendf(arg, "%s ", k->name);
}

START_TEST(test_diff)
{
	struct strbuf names = STRBUF_INIT;
	struct config other = {0};

	ck_assert_int_eq(load(NULL, NULL), 0);
	put(file, SLICE_LIT("listen = h:1\ncount = 4\nenabled = no\nwait = 1s\nname = x\n"));
	ck_assert_int_eq(conf_load(keys, ARRAY_SIZE(keys), file, NULL, 0, &other, &e), 0);
	conf_diff(keys, ARRAY_SIZE(keys), &conf, &other, append_name, &names);
	ck_assert_str_eq(strbuf_cstr(&names), "listen count enabled ");
	strbuf_reset(&names);
	conf_diff(keys, ARRAY_SIZE(keys), &conf, &conf, append_name, &names);
	ck_assert_str_eq(strbuf_cstr(&names), "");
	conf_clear(keys, ARRAY_SIZE(keys), &other);
	strbuf_clear(&names);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("conf");
	TCase *tc = tcase_create("conf");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_defaults);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_usual_names);
	tcase_add_loop_test(tc, test_accepted, 0, ARRAY_SIZE(accepted));
	tcase_add_loop_test(tc, test_rejected, 0, ARRAY_SIZE(rejected));
	tcase_add_test(tc, test_places);
	tcase_add_test(tc, test_bad_files);
	tcase_add_test(tc, test_secret_file);
	tcase_add_test(tc, test_print);
	tcase_add_test(tc, test_help_is_a_sample);
	tcase_add_test(tc, test_diff);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
