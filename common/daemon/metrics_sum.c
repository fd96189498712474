/*
 * Adding up metrics; see metrics_sum.h. The texts come from processes that do the same, so the next
 * line of a text is most often the one behind the last line that was found.
 */
#include "common/daemon/metrics_sum.h"

#include <math.h>
#include <sys/queue.h>

#include "common/base/arena.h"

struct series {
	STAILQ_ENTRY(series) link;
	struct slice name; /* with its labels */
	double value;
};

STAILQ_HEAD(series_list, series);

struct family {
	STAILQ_ENTRY(family) link;
	struct slice name, about; /* about: the lines of HELP and TYPE */
	struct series_list series;
	struct series *found; /* last */
};

STAILQ_HEAD(families, family);

static struct slice next_line(struct slice *rest)
{
	const char *end = memchr(rest->ptr, '\n', rest->len);
	size_t n = end != NULL ? (size_t)(end - rest->ptr) + 1 : rest->len;
	struct slice line = {rest->ptr, n};

	rest->ptr += n;
	rest->len -= n;
	return line;
}

/* The family of a line "# HELP name …"; made when it is new. `text` begins with the line. */
static struct family *family_of(struct families *all, struct slice text, struct arena *a)
{
	struct slice rest = text, line = next_line(&rest);
	struct slice name = {line.ptr + strlen("# HELP "), 0};
	struct family *f;

	while (name.ptr + name.len < line.ptr + line.len && name.ptr[name.len] != ' ')
		name.len++;
	STAILQ_FOREACH (f, all, link)
		if (slice_eq(f->name, name))
			return f;
	f = arena_alloc(a, sizeof(*f));
	f->name = name;
	f->about = (struct slice){text.ptr, line.len + next_line(&rest).len};
	STAILQ_INIT(&f->series);
	STAILQ_INSERT_TAIL(all, f, link);
	return f;
}

static struct series *series_of(struct family *f, struct slice name, struct arena *a)
{
	struct series *first = f->found != NULL ? STAILQ_NEXT(f->found, link) : NULL, *s;

	for (s = first; s != NULL; s = STAILQ_NEXT(s, link))
		if (slice_eq(s->name, name))
			return s;
	STAILQ_FOREACH (s, &f->series, link) {
		if (s == first)
			break;
		if (slice_eq(s->name, name))
			return s;
	}
	s = arena_alloc(a, sizeof(*s));
	s->name = name;
	STAILQ_INSERT_TAIL(&f->series, s, link);
	return s;
}

/* "name{labels} value": a label's value may hold spaces, the number holds none. */
static void add_line(struct family *f, struct slice line, struct arena *a)
{
	size_t n = line.len;
	char *end;
	double value;

	while (n > 0 && line.ptr[n - 1] != ' ')
		n--;
	if (f == NULL || n == 0)
		return;
	value = strtod(line.ptr + n, &end); /* the text goes on with a newline */
	f->found = series_of(f, (struct slice){line.ptr, n - 1}, a);
	f->found->value += value;
}

static void add_text(struct families *all, struct slice text, struct arena *a)
{
	struct family *f = NULL;

	while (text.len > 0) {
		struct slice whole = text, line = next_line(&text);

		if (slice_starts(line, "# HELP ")) {
			f = family_of(all, whole, a);
			f->found = NULL;
		} else if (line.ptr[0] != '#' && line.ptr[line.len - 1] == '\n') {
			add_line(f, line, a);
		}
	}
}

static void append_value(struct strbuf *out, double v)
{
	if (isfinite(v))
		strbuf_append_double(out, v);
	else
		strbuf_append_str(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
}

void metrics_sum(const struct slice *texts, size_t n, struct strbuf *out)
{
	struct families all = STAILQ_HEAD_INITIALIZER(all);
	struct arena *a = arena_new();
	const struct family *f;
	const struct series *s;

	for (size_t i = 0; i < n; i++)
		add_text(&all, texts[i], a);
	STAILQ_FOREACH (f, &all, link) {
		strbuf_append_slice(out, f->about);
		STAILQ_FOREACH (s, &f->series, link) {
			strbuf_append_slice(out, s->name);
			strbuf_append_char(out, ' ');
			append_value(out, s->value);
			strbuf_append_char(out, '\n');
		}
	}
	arena_free(a);
}
