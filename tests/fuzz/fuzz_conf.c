/*
 * conf: the input is a -o assignment up to its first zero byte, then a settings file. What loads is
 * printed as a file that loads to the same.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "common/daemon/conf.h"

#define TEST_KEYS(KEY)                                                             \
	KEY(listen, ADDR, "127.0.0.1:0", 0, 0, CONF_NO_RELOAD, "where it listens") \
	KEY(name, STRING, "", 0, 8, 0, "a name")                                   \
	KEY(count, INT, "5", -10, 10, CONF_NO_RELOAD, "how many")                  \
	KEY(enabled, BOOL, "true", 0, 0, CONF_NO_RELOAD, "is it on")               \
	KEY(wait, DURATION, "20s", 0, 600000, 0, "how long")                       \
	KEY(size, SIZE, "8MiB", 0, 0, 0, "how much")                               \
	KEY(format, CHOICE, "auto", 0, 0, 0, "auto|json|text: how it looks")

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

static int fd;
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc UNUSED, char ***argv UNUSED)
{
	(void)clearenv();
	fd = memfd_create("conf", MFD_CLOEXEC);
	ASSERT(fd >= 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return 0;
}

static void put(const void *p, size_t n)
{
	ASSERT(ftruncate(fd, 0) == 0);
	ASSERT(pwrite(fd, p, n, 0) == (ssize_t)n);
}

static void count_difference(const struct conf_key *k UNUSED, void *arg)
{
	++*(int *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
	struct conf_override override = {(const char *)data};
	struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
	struct config conf = {0}, again = {0};
	size_t from = zero != NULL ? (size_t)(zero - data) + 1 : 0;
	int different = 0;
	struct err e;

	put(data + from, size - from);
	if (conf_load(keys, ARRAY_SIZE(keys), path, &override, zero != NULL, &conf, &e) < 0) {
		ASSERT(strlen(e.msg) > 0 && conf.listen == NULL);
		return 0;
	}
	conf_print(keys, ARRAY_SIZE(keys), &conf, &first);
	put(first.ptr, first.len);
	ASSERT(conf_load(keys, ARRAY_SIZE(keys), path, NULL, 0, &again, &e) == 0);
	conf_print(keys, ARRAY_SIZE(keys), &again, &second);
	ASSERT(slice_eq(strbuf_slice(&first), strbuf_slice(&second)));
	conf_diff(keys, ARRAY_SIZE(keys), &conf, &again, count_difference, &different);
	ASSERT(different == 0);
	conf_clear(keys, ARRAY_SIZE(keys), &conf);
	conf_clear(keys, ARRAY_SIZE(keys), &again);
	strbuf_clear(&first);
	strbuf_clear(&second);
	return 0;
}
