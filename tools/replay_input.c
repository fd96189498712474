/* One growing buffer over read(2); see replay_input.h. */
#include "tools/replay_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/xalloc.h"

enum { READ_SIZE = 256 * 1024 };

struct replay_input {
	int fd;
	const char *name;
	char *buf;
	size_t start, end, cap; /* unread bytes: buf[start .. end) */
	size_t searched;        /* of them, from start: known to hold no newline */
	bool at_end;
	uint64_t line, consumed; /* bytes of lines handed out */
	int64_t size;            /* of a regular file, else -1 */
};

int replay_input_open(const char *path, struct replay_input **ret, struct err *e)
{
	struct replay_input *in;
	struct stat st;
	int fd = STDIN_FILENO;

	if (strcmp(path, "-") != 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	in = xcalloc(1, sizeof(*in));
	in->fd = fd;
	in->name = path;
	in->size = S_ISREG(st.st_mode) ? st.st_size : -1;
	*ret = in;
	return 0;
}

void replay_input_close(struct replay_input *in)
{
	if (in == NULL)
		return;
	if (in->fd != STDIN_FILENO)
		(void)close(in->fd);
	free(in->buf);
	free(in);
}

/* Makes room for READ_SIZE bytes behind `end`. */
static void make_room(struct replay_input *in)
{
	if (in->start > 0) {
		memmove(in->buf, in->buf + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	if (in->cap - in->end < READ_SIZE) {
		in->cap = in->cap * 2 + READ_SIZE;
		in->buf = xreallocarray(in->buf, in->cap, 1);
	}
}

/* 0: something was read or the end was reached. O_NONBLOCK would change the terminal or pipe for
 * everybody who shares it; poll() first does not. */
static int read_more(struct replay_input *in, struct err *e)
{
	struct pollfd p = {.fd = in->fd, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, 0) == 0)
		return -EAGAIN;
	make_room(in);
	n = read(in->fd, in->buf + in->end, READ_SIZE);
	if (n < 0 && errno == EINTR)
		return -EAGAIN;
	if (n < 0)
		return err_set(e, -errno, "%s: %s", in->name, strerror(errno));
	in->at_end = n == 0;
	in->end += (size_t)n;
	return 0;
}

/* 0 with the next line; -EAGAIN when the buffer holds no complete one. */
static int take_line(struct replay_input *in, struct slice *ret)
{
	const char *from = in->buf + in->start;
	size_t have = in->end - in->start;
	const char *newline = NULL;
	size_t len;

	if (have > in->searched)
		newline = memchr(from + in->searched, '\n', have - in->searched);
	in->searched = have;
	if (newline == NULL && !(in->at_end && have > 0))
		return -EAGAIN;
	len = newline != NULL ? (size_t)(newline - from) : have;
	in->start += len + (newline != NULL);
	in->consumed += len + (newline != NULL);
	in->searched = 0;
	in->line++;
	*ret = (struct slice){from, len};
	return 0;
}

static bool is_blank(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != ' ' && s.ptr[i] != '\t' && s.ptr[i] != '\r')
			return false;
	}
	return true;
}

int replay_input_next(struct replay_input *in, struct slice *ret, struct err *e)
{
	struct slice line;
	int r;

	for (;;) {
		r = take_line(in, &line);
		if (r == 0 && line.len > REPLAY_LINE_MAX)
			break;
		if (r == 0 && !is_blank(line)) {
			*ret = line;
			return 0;
		}
		if (r == 0)
			continue;
		if (in->at_end)
			return -ENODATA;
		if (in->end - in->start > REPLAY_LINE_MAX)
			break;
		r = read_more(in, e);
		if (r != 0)
			return r;
	}
	return err_set(e, -EMSGSIZE, "%s: line %llu is longer than %zu bytes", in->name,
		       (unsigned long long)in->line, REPLAY_LINE_MAX);
}

int replay_input_fd(const struct replay_input *in)
{
	return in->fd;
}

uint64_t replay_input_line(const struct replay_input *in)
{
	return in->line;
}

double replay_input_share(const struct replay_input *in)
{
	if (in->size <= 0)
		return -1;
	return (double)in->consumed / (double)in->size;
}
