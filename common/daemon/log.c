/*
 * Log lines; see log.h. A line is built in memory and leaves by one write(2), so that lines of
 * several processes on one pipe or terminal do not mix. Values are cut at VALUE_MAX and fields that
 * do not fit into LOG_LINE_MAX are left out: whoever controls a value cannot flood the log. What
 * cannot be written is lost; logging never fails and never changes errno.
 */
#include "common/daemon/log.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/strbuf.h"
#include "common/base/timestamp.h"

#define VALUE_MAX    ((size_t)2048)
#define LOG_LINE_MAX ((size_t)16384)

static const struct {
	const char *json, *text; /* the severities of Google's logging; one width for people */
} severities[] = {
	[LOG_LEVEL_DEBUG] = {"DEBUG", "DEBUG"},
	[LOG_LEVEL_INFO] = {"INFO", "INFO "},
	[LOG_LEVEL_WARN] = {"WARNING", "WARN "},
	[LOG_LEVEL_ERROR] = {"ERROR", "ERROR"},
};

const char LOG_TRACE_KEY[] = "logging.googleapis.com/trace";

static struct {
	char service[32];
	char trace_prefix[96]; /* "" or "projects/<project>/traces/" */
	enum log_level level;
	enum log_format format; /* JSON or TEXT */
} state = {.service = "-", .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_JSON};

void log_setup(const char *service, enum log_level level, enum log_format format)
{
	(void)snprintf(state.service, sizeof(state.service), "%s", service);
	state.level = level;
	if (format == LOG_FORMAT_AUTO)
		format = isatty(STDERR_FILENO) == 1 ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
	state.format = format;
}

void log_set_trace_project(const char *project)
{
	state.trace_prefix[0] = '\0';
	if (project[0] != '\0')
		(void)snprintf(state.trace_prefix, sizeof(state.trace_prefix),
			       "projects/%s/traces/", project);
}

bool log_enabled(enum log_level level)
{
	return level >= state.level;
}

/* At most VALUE_MAX bytes of s, not cut inside a character. */
static struct slice bounded(const char *s)
{
	struct slice v = {s, strnlen(s, VALUE_MAX + 1)};

	if (v.len > VALUE_MAX) {
		v.len = VALUE_MAX;
		while (v.len > 0 && (s[v.len] & 0xc0) == 0x80)
			v.len--;
	}
	return v;
}

/* RFC 3339 with exactly three digits of fraction, so that the columns of a terminal line up. */
static void append_now(struct strbuf *b)
{
	int64_t ms = clock_wall_ms();
	char text[TIMESTAMP_TEXT_MAX];

	timestamp_format(ms / 1000 * 1000000, text);
	strbuf_appendf(b, "%.19s.%03dZ", text, (int)(ms % 1000));
}

static void json_head(struct strbuf *b, enum log_level level, const char *message)
{
	strbuf_appendf(b, "{\"severity\":\"%s\",\"message\":", severities[level].json);
	strbuf_append_json(b, bounded(message));
	strbuf_append_str(b, ",\"ts\":\"");
	append_now(b);
	strbuf_append_str(b, "\",\"service\":");
	strbuf_append_json(b, slice_of(state.service));
	strbuf_append_str(b, ",\"pid\":");
	strbuf_append_i64(b, getpid());
}

static void json_field(struct strbuf *b, const struct log_field *f)
{
	char trace[sizeof(state.trace_prefix) + 40];

	strbuf_append_char(b, ',');
	strbuf_append_json(b, slice_of(f->key));
	strbuf_append_char(b, ':');
	if (f->key == LOG_TRACE_KEY) {
		(void)snprintf(trace, sizeof(trace), "%s%s", state.trace_prefix, f->str);
		strbuf_append_json(b, slice_of(trace));
	} else if (f->str != NULL) {
		strbuf_append_json(b, bounded(f->str));
	} else {
		strbuf_append_i64(b, f->num);
	}
}

/* Bare when that is unambiguous and harmless on a terminal, else quoted as in JSON. */
static void append_word(struct strbuf *b, struct slice s, bool spaces)
{
	bool bare = s.len > 0;

	for (size_t i = 0; i < s.len && bare; i++) {
		char c = s.ptr[i];

		bare = (c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=') ||
		       (c == ' ' && spaces);
	}
	if (bare)
		strbuf_append_slice(b, s);
	else
		strbuf_append_json(b, s);
}

static void text_head(struct strbuf *b, enum log_level level, const char *message)
{
	append_now(b);
	strbuf_appendf(b, " %s %s[%d] ", severities[level].text, state.service, (int)getpid());
	append_word(b, bounded(message), true);
}

static void text_field(struct strbuf *b, const struct log_field *f)
{
	strbuf_append_char(b, ' ');
	append_word(b, slice_of(f->key == LOG_TRACE_KEY ? "trace" : f->key), false);
	strbuf_append_char(b, '=');
	if (f->str != NULL)
		append_word(b, bounded(f->str), false);
	else
		strbuf_append_i64(b, f->num);
}

void log_write(enum log_level level, const char *message, ...)
{
	bool json = state.format == LOG_FORMAT_JSON;
	int saved_errno = errno;
	struct strbuf b;
	ssize_t n;
	va_list ap;

	strbuf_init(&b, LOG_LINE_MAX);
	(json ? json_head : text_head)(&b, level, message);
	va_start(ap, message);
	for (;;) {
		struct log_field f = va_arg(ap, struct log_field);
		size_t before = b.len;

		if (f.key == NULL)
			break;
		if (f.key == LOG_TRACE_KEY && f.str == NULL)
			continue;
		(json ? json_field : text_field)(&b, &f);
		/* two bytes stay free for the end of the line */
		if (b.overflow || b.len > LOG_LINE_MAX - 2) {
			b.overflow = false;
			b.len = before;
		}
	}
	va_end(ap);
	strbuf_append_str(&b, json ? "}\n" : "\n");
	do
		n = write(STDERR_FILENO, b.ptr, b.len);
	while (n < 0 && errno == EINTR);
	strbuf_clear(&b);
	errno = saved_errno;
}
