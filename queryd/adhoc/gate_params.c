/* Parameters of a tenant's SQL: reading their values, finding their names. See gate_params.h. */
#include "queryd/adhoc/gate_params.h"

#include <errno.h>
#include <stdarg.h>

#include "common/num.h"
#include "common/timestamp.h"

#define NAME_MAX_LEN 60
#define VALUE_MAX    ((size_t)8 * 1024)
#define ELEMENTS_MAX 1000

/* ---- values */

static bool is_text(struct slice s)
{
	return memchr(s.ptr, '\0', s.len) == NULL;
}

static bool is_bool(struct slice s)
{
	return slice_eq_str(s, "true") || slice_eq_str(s, "false");
}

static bool is_int64(struct slice s)
{
	int64_t v;

	return num_i64(s, INT64_MIN, INT64_MAX, &v) == 0;
}

static bool is_number(struct slice s)
{
	double v;

	return num_double(s, &v) == 0;
}

static bool is_date(struct slice s)
{
	int32_t v;

	return timestamp_parse_date(s, &v) == 0;
}

static bool is_timestamp(struct slice s)
{
	int64_t v;

	return timestamp_parse(s, &v) == 0;
}

static const struct {
	const char *name, *sql, *sql_array, *allowed;
	bool (*valid)(struct slice text);
} types[] = {
	{"string", "text", "text[]", "a string", is_text},
	{"int64", "int8", "int8[]", "an integer, or a string of one", is_int64},
	{"float64", "float8", "float8[]", "a number", is_number},
	{"numeric", "numeric", "numeric[]", "a number, or a string of one", is_number},
	{"bool", "bool", "bool[]", "true or false", is_bool},
	{"date", "date", "date[]", "a date YYYY-MM-DD", is_date},
	{"timestamp", "timestamptz", "timestamptz[]", "an RFC 3339 time with offset", is_timestamp},
};

struct reading {
	struct arena *arena;
	struct gate_fault *fault;
	const char *name;
};

static int fault(struct reading *r, const char *member, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int fault(struct reading *r, const char *member, const char *fmt, ...)
{
	va_list ap;

	(void)snprintf(r->fault->field, sizeof(r->fault->field), "params.%.60s%s", r->name, member);
	va_start(ap, fmt);
	(void)vsnprintf(r->fault->detail, sizeof(r->fault->detail), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* The text of a string, number or bool that `type` takes, or NULL. */
static const char *scalar_text(struct reading *r, const struct json *v, size_t type)
{
	struct strbuf out = STRBUF_INIT;
	const char *s = json_string_or_null(v);
	struct slice text;

	if (s == NULL && (json_kind(v) == JSON_NUMBER || json_kind(v) == JSON_BOOL)) {
		json_write(v, &out);
		s = arena_strndup(r->arena, out.ptr, out.len);
		strbuf_clear(&out);
		if (types[type].valid == is_text)
			return NULL;
	}
	text = slice_of(s);
	if (s == NULL || text.len > VALUE_MAX || !types[type].valid(text))
		return NULL;
	return arena_strdup(r->arena, s);
}

/* {"a","b\"c",NULL} */
static const char *array_text(struct reading *r, const struct json *v, size_t type)
{
	struct strbuf out = STRBUF_INIT;
	const char *text;

	if (json_kind(v) != JSON_ARRAY || json_len(v) > ELEMENTS_MAX)
		return NULL;
	strbuf_append_char(&out, '{');
	for (size_t i = 0; i < json_len(v); i++) {
		bool null = json_kind(json_at(v, i)) == JSON_NULL;
		const char *s = null ? "NULL" : scalar_text(r, json_at(v, i), type);

		if (s == NULL) {
			strbuf_clear(&out);
			return NULL;
		}
		strbuf_append_str(&out, i > 0 ? "," : "");
		strbuf_append_str(&out, null ? "" : "\"");
		for (const char *c = s; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				strbuf_append_char(&out, '\\');
			strbuf_append_char(&out, *c);
		}
		strbuf_append_str(&out, null ? "" : "\"");
	}
	strbuf_append_char(&out, '}');
	text = arena_strndup(r->arena, out.ptr, out.len);
	strbuf_clear(&out);
	return text;
}

/* The type of `word`, with or without [] behind it. */
static bool find_type(const char *word, size_t *ret, bool *ret_array)
{
	size_t len = strlen(word);

	*ret_array = len > 2 && strcmp(word + len - 2, "[]") == 0;
	len -= *ret_array ? 2 : 0;
	for (*ret = 0; *ret < ARRAY_SIZE(types); (*ret)++) {
		if (strlen(types[*ret].name) == len && memcmp(types[*ret].name, word, len) == 0)
			return true;
	}
	return false;
}

static bool is_name(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	size_t head = strspn(s, letters);

	return head > 0 && head + strspn(s + head, "0123456789") <= NAME_MAX_LEN &&
	       strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") ==
		       strlen(s) &&
	       strlen(s) <= NAME_MAX_LEN;
}

static int read_param(struct reading *r, const struct json *v, struct gate_param *ret)
{
	const char *word = json_string_or_null(json_get(v, "type"));
	const struct json *value = json_get(v, "value");
	size_t type;
	bool array;

	if (!is_name(r->name))
		return fault(r, "", "a name has 1 to %d letters, digits and _, no digit first",
			     NAME_MAX_LEN);
	if (json_kind(v) != JSON_OBJECT || json_len(v) != 2 || value == NULL)
		return fault(r, "", "must be an object of type and value");
	if (word == NULL || !find_type(word, &type, &array))
		return fault(r, ".type",
			     "must be string, int64, float64, numeric, bool, date or timestamp, "
			     "or one of these with []");
	ret->name = arena_strdup(r->arena, r->name);
	ret->sql_type = array ? types[type].sql_array : types[type].sql;
	ret->value = NULL;
	if (json_kind(value) == JSON_NULL)
		return 0;
	ret->value = array ? array_text(r, value, type) : scalar_text(r, value, type);
	if (ret->value == NULL)
		return array ? fault(r, ".value", "must be an array of at most %d, each %s",
				     ELEMENTS_MAX, types[type].allowed)
			     : fault(r, ".value", "must be %s", types[type].allowed);
	return 0;
}

static size_t find_param(const struct gate_params *params, struct slice name)
{
	size_t i = 0;

	while (i < params->n && !slice_eq_str(name, params->v[i].name))
		i++;
	return i;
}

int gate_params_read(const struct json *params, struct arena *a, struct gate_params *ret,
		     struct gate_fault *fault)
{
	struct reading r = {a, fault, ""};

	if (params == NULL)
		return 0;
	if (json_kind(params) != JSON_OBJECT || json_len(params) > GATE_PARAMS_MAX - ret->n) {
		(void)snprintf(fault->field, sizeof(fault->field), "params");
		(void)snprintf(fault->detail, sizeof(fault->detail),
			       "must be an object of at most %d parameters", GATE_PARAMS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < json_len(params); i++) {
		size_t at = find_param(ret, slice_of(json_key_at(params, i)));

		r.name = json_key_at(params, i);
		if (read_param(&r, json_at(params, i), &ret->v[at]) < 0)
			return -EINVAL;
		ret->n += at == ret->n;
	}
	return 0;
}

/* ---- names: a lexer just good enough to know what is text and what is not. Where it is wrong, the
 * parser that reads the result refuses the statement. */

struct lexer {
	struct slice sql;
	size_t at;
};

static int byte_at(const struct lexer *l, size_t i)
{
	return i < l->sql.len ? (unsigned char)l->sql.ptr[i] : -1;
}

static bool is_word_byte(int c)
{
	return c == '_' || c == '$' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* From a quote to behind the one that ends it; a doubled one is an end and a new beginning. */
static bool skip_quoted(struct lexer *l, char quote, bool backslash)
{
	for (l->at++; l->at < l->sql.len; l->at++) {
		if (backslash && l->sql.ptr[l->at] == '\\')
			l->at++;
		else if (l->sql.ptr[l->at] == quote) {
			l->at++;
			return true;
		}
	}
	return false;
}

static bool skip_comment(struct lexer *l)
{
	int depth = 0;

	do {
		int c = byte_at(l, l->at), next = byte_at(l, l->at + 1);

		if (c == '/' && next == '*') {
			depth++;
			l->at += 2;
		} else if (c == '*' && next == '/') {
			depth--;
			l->at += 2;
		} else if (c < 0) {
			return false;
		} else {
			l->at++;
		}
	} while (depth > 0);
	return true;
}

/* At a $: behind $tag$ … $tag$, or false with *number set for $1. */
static bool skip_dollar(struct lexer *l, bool *number)
{
	size_t end = l->at + 1, tag;
	const char *close;

	*number = byte_at(l, end) >= '0' && byte_at(l, end) <= '9';
	while (byte_at(l, end) != '$' && is_word_byte(byte_at(l, end)))
		end++;
	if (*number || byte_at(l, end) != '$')
		return !*number && (l->at = end, true);
	tag = end + 1 - l->at;
	close = memmem(l->sql.ptr + end + 1, l->sql.len - end - 1, l->sql.ptr + l->at, tag);
	if (close == NULL)
		return false;
	l->at = (size_t)(close - l->sql.ptr) + tag;
	return true;
}

/* What follows l->at and is neither text nor comment is left for the caller: true without moving.
 */
static bool skip_text(struct lexer *l, const char **what)
{
	int c = byte_at(l, l->at), next = byte_at(l, l->at + 1);
	bool number = false, ok = true;

	if (c == '\'') {
		int e = l->at > 0 ? byte_at(l, l->at - 1) : -1;
		bool escapes = (e == 'e' || e == 'E') &&
			       (l->at == 1 || !is_word_byte(byte_at(l, l->at - 2)));

		ok = skip_quoted(l, '\'', escapes);
	} else if (c == '"') {
		ok = skip_quoted(l, '"', false);
	} else if (c == '-' && next == '-') {
		while (l->at < l->sql.len && byte_at(l, l->at) != '\n')
			l->at++;
	} else if (c == '/' && next == '*') {
		ok = skip_comment(l);
	} else if (c == '$' && (l->at == 0 || !is_word_byte(byte_at(l, l->at - 1)))) {
		ok = skip_dollar(l, &number);
	}
	if (!ok)
		*what = number ? "Parameters are named: write @name and give params.name."
			       : "A quote or comment is not closed.";
	return ok;
}

/* l->at is at an @ that begins a name. */
static bool bind_name(struct lexer *l, const struct gate_params *params, struct arena *a,
		      struct gate_text *t, const char **what)
{
	struct slice name = {l->sql.ptr + l->at + 1, 0};
	size_t i, from = t->sql.len;

	while (name.len < l->sql.len - l->at - 1 && is_word_byte((unsigned char)name.ptr[name.len]))
		name.len++;
	i = find_param(params, name);
	if (i == params->n) {
		*what = arena_printf(a, "There is no parameter %.*s.",
				     name.len < 60 ? (int)name.len : 60, name.ptr);
		return false;
	}
	if (t->nmarks == ARRAY_SIZE(t->marks)) {
		*what = "Too many uses of parameters.";
		return false;
	}
	strbuf_appendf(&t->sql, "($%zu::%s)", i + 1, params->v[i].sql_type);
	t->marks[t->nmarks].from = from;
	t->marks[t->nmarks].to = t->sql.len;
	t->marks[t->nmarks].shift = (t->nmarks > 0 ? t->marks[t->nmarks - 1].shift : 0) +
				    t->sql.len - from;
	t->marks[t->nmarks++].shift -= name.len + 1;
	l->at += name.len + 1;
	return true;
}

static bool begins_name(const struct lexer *l)
{
	int next = byte_at(l, l->at + 1), before = l->at > 0 ? byte_at(l, l->at - 1) : -1;

	return byte_at(l, l->at) == '@' && is_word_byte(next) && next != '$' && next < 0x80 &&
	       !(next >= '0' && next <= '9') && !is_word_byte(before);
}

int gate_params_bind(struct slice sql, const struct gate_params *params, struct arena *a,
		     struct gate_text *ret, int *position, const char **what)
{
	struct lexer l = {sql, 0};

	ret->nmarks = 0;
	strbuf_init(&ret->sql, 4 * sql.len + 64 * ARRAY_SIZE(ret->marks));
	strbuf_append_str(&ret->sql, "");
	while (l.at < sql.len) {
		size_t start = l.at;

		if (begins_name(&l)) {
			if (bind_name(&l, params, a, ret, what))
				continue;
		} else if (skip_text(&l, what)) {
			l.at += l.at == start;
			strbuf_append(&ret->sql, sql.ptr + start, l.at - start);
			continue;
		}
		*position = 1;
		for (size_t i = 0; i < start; i++)
			*position += ((unsigned char)sql.ptr[i] & 0xc0) != 0x80;
		return -EINVAL;
	}
	ASSERT(!ret->sql.overflow);
	return 0;
}

size_t gate_params_origin(const struct gate_text *t, size_t offset)
{
	size_t shift = 0;

	for (size_t i = 0; i < t->nmarks && t->marks[i].from <= offset; i++) {
		if (offset < t->marks[i].to)
			return t->marks[i].from - shift;
		shift = t->marks[i].shift;
	}
	return offset - shift;
}
