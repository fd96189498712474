/*
 * Settings; see conf.h. Every source only collects texts, each with the place it came from; the
 * text that won is parsed once, at the end. So a value may be wrong or its file missing as long as
 * a later source replaces it. Space around a value is dropped, wherever it comes from. A `#` starts
 * a comment only as the first character of a line: values (passwords, URLs) may contain it.
 *
 * Values of CONF_SECRET keys appear in no message.
 */
#include "common/daemon/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/num.h"
#include "common/base/xalloc.h"

#define FILE_MAX   ((size_t)1 << 20)
#define SECRET_MAX ((size_t)64 << 10)
#define ENV_PREFIX "ANALYTICS_"

struct setting {
	const char *text;
	const char *place; /* "FILE:LINE", "environment variable X", "-o"; "default" */
	int line;          /* of the file, to report a key that is set twice; 0: not there */
};

struct loader {
	const struct conf_key *keys;
	size_t nkeys;
	struct setting *settings; /* one a key */
	struct arena *arena;
};

static bool is_number(enum conf_type t)
{
	return t == CONF_INT || t == CONF_DURATION || t == CONF_SIZE;
}

static bool is_secret(const struct conf_key *k)
{
	return k->type == CONF_SECRET_FILE || (k->flags & CONF_SECRET) != 0;
}

static void *member(const struct conf_key *k, void *conf)
{
	return (char *)conf + k->offset;
}

static const void *const_member(const struct conf_key *k, const void *conf)
{
	return (const char *)conf + k->offset;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_space(s.ptr[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_space(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	return s;
}

/* ---- what is allowed, in words */

struct unit {
	const char *name;
	int64_t factor;
};

/* In the largest unit that needs no fraction. */
static void append_quantity(struct strbuf *b, enum conf_type t, int64_t v)
{
	static const struct unit durations[] = {
		{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
	static const struct unit sizes[] = {
		{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
	const struct unit *u = t == CONF_DURATION ? durations : sizes;

	if (t == CONF_INT) {
		strbuf_append_i64(b, v);
		return;
	}
	if (v == 0)
		u = t == CONF_DURATION ? &durations[3] : &sizes[3];
	while (v % u->factor != 0)
		u++;
	strbuf_append_i64(b, v / u->factor);
	strbuf_append_str(b, u->name);
}

/* The "a|b|c" at the head of a CHOICE's help. */
static struct slice choices(const struct conf_key *k)
{
	const char *colon = strchr(k->help, ':');

	ASSERT(colon != NULL);
	return (struct slice){k->help, (size_t)(colon - k->help)};
}

static void append_allowed(struct strbuf *b, const struct conf_key *k)
{
	static const char *const kinds[] = {
		[CONF_STRING] = "text",
		[CONF_INT] = "an integer",
		[CONF_BOOL] = "true or false",
		[CONF_DURATION] = "a duration with unit (ms, s, m, h, d)",
		[CONF_SIZE] = "a size with unit (B, KiB, MiB, GiB)",
		[CONF_ADDR] = "host:port (port 0: any free one)",
		[CONF_CHOICE] = "one of ",
		[CONF_SECRET_FILE] = "the path of a file",
	};

	strbuf_append_str(b, kinds[k->type]);
	if (k->type == CONF_CHOICE)
		strbuf_append_slice(b, choices(k));
	if (k->min == 0 && k->max == 0)
		return;
	if (is_number(k->type)) {
		strbuf_append_str(b, " from ");
		append_quantity(b, k->type, k->min);
		strbuf_append_str(b, " to ");
		append_quantity(b, k->type, k->max);
	} else {
		strbuf_appendf(b, " of %lld to %lld bytes", (long long)k->min, (long long)k->max);
	}
}

/* ---- values */

static int reject(const struct conf_key *k, const struct setting *s, struct err *e)
{
	struct strbuf allowed = STRBUF_INIT;
	int r;

	append_allowed(&allowed, k);
	if (is_secret(k))
		r = err_set(e, -EINVAL, "%s: %s must be %s", s->place, k->name,
			    strbuf_cstr(&allowed));
	else
		r = err_set(e, -EINVAL, "%s: %s must be %s, not \"%.80s\"", s->place, k->name,
			    strbuf_cstr(&allowed), s->text);
	strbuf_clear(&allowed);
	return r;
}

/* min and max both 0: any. */
static bool in_range(const struct conf_key *k, int64_t v)
{
	return (k->min == 0 && k->max == 0) || (v >= k->min && v <= k->max);
}

static bool valid_text(const struct conf_key *k, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return false;
	return in_range(k, (int64_t)s.len);
}

/* host:port or [v6]:port */
static bool valid_addr(struct slice s)
{
	const char *colon = memrchr(s.ptr, ':', s.len);
	struct slice host, port;
	int64_t n;

	if (colon == NULL)
		return false;
	host = (struct slice){s.ptr, (size_t)(colon - s.ptr)};
	port = (struct slice){colon + 1, s.len - host.len - 1};
	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = (struct slice){host.ptr + 1, host.len - 2};
	else if (memchr(host.ptr, ':', host.len) != NULL)
		return false;
	for (size_t i = 0; i < host.len; i++)
		if (host.ptr[i] <= ' ' || host.ptr[i] > '~' || strchr("[]/@", host.ptr[i]) != NULL)
			return false;
	return host.len > 0 && host.len <= 255 && num_i64(port, 0, 65535, &n) == 0;
}

static bool valid_choice(const struct conf_key *k, struct slice s)
{
	struct slice rest = choices(k);

	while (rest.len > 0) {
		const char *bar = memchr(rest.ptr, '|', rest.len);
		size_t n = bar != NULL ? (size_t)(bar - rest.ptr) : rest.len;

		if (slice_eq(s, (struct slice){rest.ptr, n}))
			return true;
		n += bar != NULL;
		rest = (struct slice){rest.ptr + n, rest.len - n};
	}
	return false;
}

/* Reads at most max bytes of a file into out. */
static int read_file(const char *path, size_t max, struct strbuf *out, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = 0;
	ssize_t n;

	if (fd < 0)
		return err_set(e, -EINVAL, "cannot open %s: %s", path, strerror(errno));
	strbuf_init(out, max);
	do {
		char chunk[4096];

		n = read(fd, chunk, sizeof(chunk));
		if (n > 0)
			strbuf_append(out, chunk, (size_t)n);
	} while ((n > 0 && !out->overflow) || (n < 0 && errno == EINTR));
	if (n < 0)
		r = err_set(e, -EINVAL, "cannot read %s: %s", path, strerror(errno));
	else if (out->overflow)
		r = err_set(e, -EINVAL, "%s is larger than %zu bytes", path, max);
	else if (out->len > 0 && memchr(out->ptr, '\0', out->len) != NULL)
		r = err_set(e, -EINVAL, "%s contains a zero byte", path);
	(void)close(fd); /* it was only read */
	return r;
}

static int load_secret(const struct conf_key *k, const struct setting *s, char **ret, struct err *e)
{
	struct strbuf content = STRBUF_INIT;
	struct slice value = {"", 0};
	int r = 0;

	if (s->text[0] != '\0') {
		r = read_file(s->text, SECRET_MAX, &content, e);
		if (r < 0) {
			r = err_wrap(e, r, "%s: %s", s->place, k->name);
			goto out;
		}
		value = trim(slice_of(strbuf_cstr(&content)));
		if (value.len == 0 || !in_range(k, (int64_t)value.len)) {
			r = err_set(e, -EINVAL,
				    "%s: %s: the content of %s is empty or too long or short",
				    s->place, k->name, s->text);
			goto out;
		}
	}
	*ret = xstrndup(value.ptr, value.len);
out:
	strbuf_clear(&content);
	return r;
}

/* Sets the member, which is zero, from the text that won. */
static int apply(const struct conf_key *k, const struct setting *s, void *conf, struct err *e)
{
	struct slice text = slice_of(s->text);
	void *m = member(k, conf);
	int64_t number = 0;
	bool ok = false;

	switch (k->type) {
	case CONF_INT:
		ok = num_i64(text, INT64_MIN, INT64_MAX, &number) == 0 && in_range(k, number);
		break;
	case CONF_DURATION:
		ok = num_duration_ms(text, &number) == 0 && in_range(k, number);
		break;
	case CONF_SIZE:
		ok = num_size(text, &number) == 0 && in_range(k, number);
		break;
	case CONF_BOOL:
		ok = num_bool(text, m) == 0;
		break;
	case CONF_STRING:
		ok = valid_text(k, text);
		break;
	case CONF_ADDR:
		ok = valid_addr(text);
		break;
	case CONF_CHOICE:
		ok = valid_choice(k, text);
		break;
	case CONF_SECRET_FILE:
		return load_secret(k, s, m, e);
	}
	if (!ok)
		return reject(k, s, e);
	if (is_number(k->type))
		*(int64_t *)m = number;
	else if (k->type != CONF_BOOL)
		*(char **)m = xstrdup(s->text);
	return 0;
}

/* ---- sources */

static struct setting *find(const struct loader *l, struct slice name)
{
	for (size_t i = 0; i < l->nkeys; i++)
		if (slice_eq_str(name, l->keys[i].name))
			return &l->settings[i];
	return NULL;
}

static void set(struct loader *l, struct setting *s, struct slice text, const char *place)
{
	text = trim(text);
	s->text = arena_strndup(l->arena, text.ptr, text.len);
	s->place = place;
}

static int load_line(struct loader *l, const char *place, int line, struct slice s, struct err *e)
{
	const char *equals = memchr(s.ptr, '=', s.len);
	struct setting *setting;
	struct slice name;

	if (equals == NULL)
		return err_set(e, -EINVAL, "%s: a line must be `key = value` or a # comment",
			       place);
	name = trim((struct slice){s.ptr, (size_t)(equals - s.ptr)});
	setting = find(l, name);
	if (setting == NULL)
		return err_set(e, -EINVAL, "%s: there is no setting \"%.*s\"", place,
			       (int)(name.len < 80 ? name.len : 80), name.ptr);
	if (setting->line != 0)
		return err_set(e, -EINVAL, "%s: %.*s is set in line %d already", place,
			       (int)name.len, name.ptr, setting->line);
	set(l, setting, (struct slice){equals + 1, (size_t)(s.ptr + s.len - equals - 1)}, place);
	setting->line = line;
	return 0;
}

static int load_file(struct loader *l, const char *path, struct err *e)
{
	struct strbuf content = STRBUF_INIT;
	struct slice rest;
	int r;

	r = read_file(path, FILE_MAX, &content, e);
	rest = slice_of(strbuf_cstr(&content));
	for (int line = 1; r == 0 && rest.len > 0; line++) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		size_t n = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
		struct slice s = trim((struct slice){rest.ptr, n});

		if (s.len > 0 && s.ptr[0] != '#')
			r = load_line(l, arena_printf(l->arena, "%s:%d", path, line), line, s, e);
		n += end != NULL;
		rest = (struct slice){rest.ptr + n, rest.len - n};
	}
	strbuf_clear(&content);
	return r;
}

/* The names that platforms set; ignored by a daemon without the key, and when empty. */
static void load_usual_names(struct loader *l)
{
	static const struct {
		const char *variable, *key, *prefix;
	} usual[] = {
		{"DATABASE_URL", "database_url", ""},
		{"WAREHOUSE_URL", "warehouse_url", ""},
		{"REDIS_URL", "redis_url", ""},
		{"PORT", "listen", "0.0.0.0:"},
		{"PUBSUB_EMULATOR_HOST", "pubsub_emulator_host", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		struct setting *s = find(l, slice_of(usual[i].key));
		const char *value = getenv(usual[i].variable);

		if (s == NULL || value == NULL || value[0] == '\0')
			continue;
		set(l, s, slice_of(arena_printf(l->arena, "%s%s", usual[i].prefix, value)),
		    arena_printf(l->arena, "environment variable %s", usual[i].variable));
	}
}

/* The name of an environment variable as a key: lower case, or "" if it is not all upper. */
static struct slice key_of_variable(struct arena *a, const char *name, size_t n)
{
	char *key = arena_strndup(a, name, n);

	for (size_t i = 0; i < n; i++) {
		if (key[i] >= 'a' && key[i] <= 'z')
			return slice_of("");
		if (key[i] >= 'A' && key[i] <= 'Z')
			key[i] = (char)(key[i] - 'A' + 'a');
	}
	return (struct slice){key, n};
}

static int load_environment(struct loader *l, struct err *e)
{
	load_usual_names(l);
	for (char **p = environ; p != NULL && *p != NULL; p++) {
		const char *equals = strchr(*p, '=');
		struct setting *s;
		const char *name;
		int n;

		if (!slice_starts(slice_of(*p), ENV_PREFIX) || equals == NULL)
			continue;
		name = *p + strlen(ENV_PREFIX);
		n = (int)(equals - *p < 80 ? equals - *p : 80);
		s = find(l, key_of_variable(l->arena, name, (size_t)(equals - name)));
		if (s == NULL)
			return err_set(e, -EINVAL,
				       "environment variable %.*s: there is no such setting", n,
				       *p);
		set(l, s, slice_of(equals + 1),
		    arena_printf(l->arena, "environment variable %.*s", n, *p));
	}
	return 0;
}

static int load_overrides(struct loader *l, const struct conf_override *o, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *equals = strchr(o[i].assignment, '=');
		struct setting *s;

		if (equals == NULL)
			return err_set(e, -EINVAL, "-o %.80s: must be key=value", o[i].assignment);
		s = find(l, (struct slice){o[i].assignment, (size_t)(equals - o[i].assignment)});
		if (s == NULL)
			return err_set(e, -EINVAL, "-o: there is no setting \"%.*s\"",
				       (int)(equals - o[i].assignment < 80
						     ? equals - o[i].assignment
						     : 80),
				       o[i].assignment);
		set(l, s, slice_of(equals + 1), "-o");
	}
	return 0;
}

int conf_load(const struct conf_key *keys, size_t nkeys, const char *file,
	      const struct conf_override *overrides, size_t noverrides, void *conf, struct err *e)
{
	struct loader l = {.keys = keys, .nkeys = nkeys, .arena = arena_new()};
	int r = 0;

	l.settings = arena_alloc(l.arena, nkeys * sizeof(*l.settings));
	for (size_t i = 0; i < nkeys; i++)
		l.settings[i] = (struct setting){keys[i].def, "default", 0};
	if (file != NULL)
		r = load_file(&l, file, e);
	if (r == 0)
		r = load_environment(&l, e);
	if (r == 0)
		r = load_overrides(&l, overrides, noverrides, e);
	for (size_t i = 0; i < nkeys && r == 0; i++)
		r = apply(&keys[i], &l.settings[i], conf, e);
	if (r < 0)
		conf_clear(keys, nkeys, conf);
	arena_free(l.arena);
	return r;
}

void conf_clear(const struct conf_key *keys, size_t nkeys, void *conf)
{
	for (size_t i = 0; i < nkeys; i++) {
		void *m = member(&keys[i], conf);

		if (is_number(keys[i].type)) {
			*(int64_t *)m = 0;
		} else if (keys[i].type == CONF_BOOL) {
			*(bool *)m = false;
		} else {
			free(*(char **)m);
			*(char **)m = NULL;
		}
	}
}

/* ---- output */

static const char *string_at(const struct conf_key *k, const void *conf)
{
	const char *s = *(char *const *)const_member(k, conf);

	return s != NULL ? s : "";
}

void conf_print(const struct conf_key *keys, size_t nkeys, const void *conf, struct strbuf *out)
{
	for (size_t i = 0; i < nkeys; i++) {
		const struct conf_key *k = &keys[i];
		const void *m = const_member(k, conf);

		strbuf_appendf(out, "%s = ", k->name);
		if (is_number(k->type))
			append_quantity(out, k->type, *(const int64_t *)m);
		else if (k->type == CONF_BOOL)
			strbuf_append_str(out, *(const bool *)m ? "true" : "false");
		else if (is_secret(k) && string_at(k, conf)[0] != '\0')
			strbuf_append_str(out, "***");
		else
			strbuf_append_str(out, string_at(k, conf));
		strbuf_append_char(out, '\n');
	}
}

void conf_help(const struct conf_key *keys, size_t nkeys, struct strbuf *out)
{
	for (size_t i = 0; i < nkeys; i++) {
		const struct conf_key *k = &keys[i];
		const char *help = k->help;

		if (k->type == CONF_CHOICE) {
			help += choices(k).len + 1;
			help += strspn(help, " ");
		}
		strbuf_appendf(out, "%s# %s\n# ", i > 0 ? "\n" : "", help);
		append_allowed(out, k);
		if ((k->flags & CONF_NO_RELOAD) != 0)
			strbuf_append_str(out, "; a reload does not change it");
		strbuf_appendf(out, "\n%s = %s\n", k->name, k->def);
	}
}

static bool differs(const struct conf_key *k, const void *a, const void *b)
{
	if (is_number(k->type))
		return *(const int64_t *)const_member(k, a) != *(const int64_t *)const_member(k, b);
	if (k->type == CONF_BOOL)
		return *(const bool *)const_member(k, a) != *(const bool *)const_member(k, b);
	return strcmp(string_at(k, a), string_at(k, b)) != 0;
}

void conf_diff(const struct conf_key *keys, size_t nkeys, const void *old_conf,
	       const void *new_conf, void (*on_differs)(const struct conf_key *, void *arg),
	       void *arg)
{
	for (size_t i = 0; i < nkeys; i++)
		if ((keys[i].flags & CONF_NO_RELOAD) != 0 && differs(&keys[i], old_conf, new_conf))
			on_differs(&keys[i], arg);
}
