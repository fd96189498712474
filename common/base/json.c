/*
 * JSON; see json.h. Three steps: `scan` holds the text against the grammar to the last byte (cJSON
 * accepts far more), cJSON builds the tree, `annotate` adds what a cJSON node has no place for.
 * cJSON frees the `valuestring` of any node and uses it for strings only, so it keeps
 *
 *	numbers     their text, because cJSON rounds to double
 *	containers  a table of their children (the count is in valueint), because cJSON's lists make
 *	            `for (i < json_len(v)) json_at(v, i)` quadratic
 *
 * Recursion is bounded by the depth that the text was parsed with.
 */
#include "common/base/json.h"

#include <errno.h>
#include <limits.h>
#include <math.h>

#include <cjson/cJSON.h>

#include "common/base/num.h"
#include "common/base/utf8.h"

#define NUMBER_MAX  63 /* longest number cJSON reads */
#define INTEGER_MAX (INT64_C(1) << 53)

/* ---- the grammar */

struct scan {
	struct slice text;
	size_t at;
	unsigned depth_max;
	const char *fault; /* at `at`; the first one stays */
};

static bool fail(struct scan *s, const char *fault)
{
	s->fault = fault;
	return false;
}

static int peek(const struct scan *s)
{
	return s->at < s->text.len ? (unsigned char)s->text.ptr[s->at] : -1;
}

static int skip_space(struct scan *s)
{
	int c;

	while ((c = peek(s)) == ' ' || c == '\t' || c == '\n' || c == '\r')
		s->at++;
	return c;
}

/* The four hex digits after \u; -1 if they are not there. */
static int scan_hex4(struct scan *s)
{
	int v = 0;

	for (int i = 0; i < 4; i++, s->at++) {
		int c = peek(s);

		if (c >= '0' && c <= '9')
			v = v * 16 + c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v * 16 + (c | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return v;
}

/* After the backslash. */
static bool scan_escape(struct scan *s)
{
	int c = peek(s), unit;

	if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL)
		return fail(s, "bad escape");
	s->at++;
	if (c != 'u')
		return true;
	unit = scan_hex4(s);
	if (unit < 0)
		return fail(s, "bad \\u escape");
	if (unit == 0)
		return fail(s, "\\u0000 is not allowed");
	if (unit < 0xd800 || unit > 0xdfff)
		return true;
	if (unit < 0xdc00 && peek(s) == '\\') {
		s->at++;
		if (peek(s) == 'u') {
			s->at++;
			unit = scan_hex4(s);
			if (unit >= 0xdc00 && unit <= 0xdfff)
				return true;
		}
	}
	return fail(s, "lone surrogate");
}

/* From the opening quote to behind the closing one. */
static bool scan_string(struct scan *s)
{
	s->at++;
	for (;;) {
		int c = peek(s);
		size_t n;

		if (c < 0)
			return fail(s, "unterminated string");
		if (c < 0x20)
			return fail(s, "control byte in a string");
		n = utf8_sequence(s->text.ptr + s->at, s->text.len - s->at);
		if (n == 0)
			return fail(s, "not UTF-8");
		s->at += n;
		if (c == '"')
			return true;
		if (c == '\\' && !scan_escape(s))
			return false;
	}
}

/* Everything a number may be made of; num_double then knows the grammar. */
static size_t number_span(struct slice s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] != '\0' && strchr("0123456789+-.eE", s.ptr[n]) != NULL)
		n++;
	return n;
}

static bool scan_number(struct scan *s)
{
	struct slice rest = {s->text.ptr + s->at, s->text.len - s->at};
	double v;
	int r;

	rest.len = number_span(rest);
	r = rest.len > NUMBER_MAX ? -ERANGE : num_double(rest, &v);
	if (r < 0)
		return fail(s, r == -ERANGE ? "number too large or too long" : "bad number");
	s->at += rest.len;
	return true;
}

static bool scan_word(struct scan *s)
{
	static const char *const words[] = {"true", "false", "null"};
	struct slice rest = {s->text.ptr + s->at, s->text.len - s->at};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (slice_starts(rest, words[i])) {
			s->at += strlen(words[i]);
			return true;
		}
	}
	return fail(s, s->at == s->text.len ? "unexpected end" : "unexpected character");
}

static bool scan_value(struct scan *s, unsigned depth);

/* Members or elements up to the closing bracket. */
static bool scan_container(struct scan *s, unsigned depth)
{
	bool object = peek(s) == '{';
	char close = object ? '}' : ']';

	if (depth == s->depth_max)
		return fail(s, "nested too deep");
	s->at++;
	if (skip_space(s) == close) {
		s->at++;
		return true;
	}
	for (;;) {
		int c = skip_space(s);

		if (object) {
			if (c != '"')
				return fail(s, "a key must be a string");
			if (!scan_string(s))
				return false;
			if (skip_space(s) != ':')
				return fail(s, "':' missing");
			s->at++;
		}
		if (!scan_value(s, depth + 1))
			return false;
		c = skip_space(s);
		if (c != ',' && c != close)
			return fail(s, object ? "',' or '}' missing" : "',' or ']' missing");
		s->at++;
		if (c == close)
			return true;
	}
}

static bool scan_value(struct scan *s, unsigned depth)
{
	int c = skip_space(s);

	if (c == '{' || c == '[')
		return scan_container(s, depth);
	if (c == '"')
		return scan_string(s);
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(s);
	return scan_word(s);
}

static bool scan_text(struct scan *s)
{
	if (!scan_value(s, 0))
		return false;
	return skip_space(s) < 0 || fail(s, "something follows the value");
}

/* ---- the tree */

static const cJSON *node(const struct json *v)
{
	return (const cJSON *)(const void *)v;
}

static cJSON **children(const cJSON *n)
{
	return (cJSON **)(void *)n->valuestring;
}

/* The next number of valid JSON; *rest is moved behind it. */
static struct slice next_number(struct slice *rest)
{
	bool in_string = false;
	size_t i, n;

	for (i = 0; i < rest->len; i++) {
		char c = rest->ptr[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '-' || (c >= '0' && c <= '9')))
			break;
	}
	rest->ptr += i;
	rest->len -= i;
	n = number_span(*rest);
	ASSERT(n > 0);
	rest->ptr += n;
	rest->len -= n;
	return (struct slice){rest->ptr - n, n};
}

static void *node_memory(size_t size)
{
	void *p = cJSON_malloc(size);

	if (p == NULL) {
		fprintf(stderr, "FATAL: out of memory allocating %zu bytes\n", size);
		abort();
	}
	return p;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(cJSON *const *)a)->string, (*(cJSON *const *)b)->string);
}

/* Fills the table of children; NULL, or a key that occurs twice. */
static const char *index_children(cJSON *n)
{
	const char *twice = NULL;
	size_t count = 0, i;
	cJSON **table;

	for (const cJSON *c = n->child; c != NULL; c = c->next)
		count++;
	n->valueint = (int)count;
	if (count == 0)
		return NULL;
	table = node_memory(count * sizeof(cJSON *));
	n->valuestring = (char *)table;
	i = 0;
	for (cJSON *c = n->child; c != NULL; c = c->next)
		table[i++] = c;
	if (!cJSON_IsObject(n))
		return NULL;
	qsort(table, count, sizeof(cJSON *), compare_keys);
	for (i = 1; i < count && twice == NULL; i++)
		if (strcmp(table[i - 1]->string, table[i]->string) == 0)
			twice = table[i]->string;
	i = 0;
	for (cJSON *c = n->child; c != NULL; c = c->next)
		table[i++] = c;
	return twice;
}

/* See the file's head; `rest` is the text from here on. NULL, or a key that occurs twice. */
static const char *annotate(cJSON *n, struct slice *rest)
{
	const char *twice;

	if (cJSON_IsNumber(n)) {
		struct slice number = next_number(rest);

		n->valuestring = node_memory(number.len + 1);
		memcpy(n->valuestring, number.ptr, number.len);
		n->valuestring[number.len] = '\0';
		return NULL;
	}
	if (cJSON_IsString(n)) {
		/* its digits are skipped as part of the string */
		return NULL;
	}
	twice = index_children(n);
	for (cJSON *c = n->child; c != NULL && twice == NULL; c = c->next)
		twice = annotate(c, rest);
	return twice;
}

int json_parse(struct slice text, size_t max, struct json **ret, struct err *e)
{
	return json_parse_nested(text, max, JSON_DEPTH_MAX, ret, e);
}

int json_parse_nested(struct slice text, size_t max, unsigned depth_max, struct json **ret,
		      struct err *e)
{
	struct scan s = {.text = text.len > 0 ? text : SLICE_LIT(""), /* NULL + 0 is undefined */
			 .depth_max = depth_max};
	const char *twice;
	cJSON *root;
	int r;

	if (text.len > max || text.len > INT_MAX)
		return err_set(e, -EINVAL, "JSON of %zu bytes, at most %zu are allowed", text.len,
			       max);
	if (!scan_text(&s))
		return err_set(e, -EINVAL, "not valid JSON at byte %zu: %s", s.at, s.fault);
	root = cJSON_ParseWithLengthOpts(text.ptr, text.len, NULL, false);
	if (root == NULL)
		return err_set(e, -EINVAL, "not valid JSON");
	twice = annotate(root, &text);
	if (twice != NULL) {
		r = err_set(e, -EINVAL, "not valid JSON: key \"%s\" occurs twice", twice);
		cJSON_Delete(root);
		return r;
	}
	*ret = (struct json *)(void *)root;
	return 0;
}

void json_free(struct json *root)
{
	cJSON_Delete((cJSON *)(void *)root);
}

/* ---- reading */

enum json_kind json_kind(const struct json *v)
{
	const cJSON *n = node(v);

	return cJSON_IsNull(n)     ? JSON_NULL
	       : cJSON_IsBool(n)   ? JSON_BOOL
	       : cJSON_IsNumber(n) ? JSON_NUMBER
	       : cJSON_IsString(n) ? JSON_STRING
	       : cJSON_IsArray(n)  ? JSON_ARRAY
				   : JSON_OBJECT;
}

const struct json *json_get(const struct json *v, const char *key)
{
	const cJSON *n = node(v);

	if (!cJSON_IsObject(n))
		return NULL;
	return (const struct json *)(const void *)cJSON_GetObjectItemCaseSensitive(n, key);
}

size_t json_len(const struct json *v)
{
	const cJSON *n = node(v);

	return cJSON_IsArray(n) || cJSON_IsObject(n) ? (size_t)n->valueint : 0;
}

const struct json *json_at(const struct json *v, size_t i)
{
	return i < json_len(v) ? (const struct json *)(const void *)children(node(v))[i] : NULL;
}

const char *json_key_at(const struct json *object, size_t i)
{
	return i < json_len(object) ? children(node(object))[i]->string : NULL;
}

static int wrong_kind(const struct json *v, const char *what, const char *kind, struct err *e)
{
	return err_set(e, -EINVAL, v == NULL ? "%s is missing, it must be %s" : "%s must be %s",
		       what, kind);
}

int json_string(const struct json *v, const char *what, const char **ret, struct err *e)
{
	if (!cJSON_IsString(node(v)))
		return wrong_kind(v, what, "a string", e);
	*ret = node(v)->valuestring;
	return 0;
}

int json_i64(const struct json *v, const char *what, int64_t min, int64_t max, int64_t *ret,
	     struct err *e)
{
	min = min < -INTEGER_MAX ? -INTEGER_MAX : min;
	max = max > INTEGER_MAX ? INTEGER_MAX : max;
	if (cJSON_IsNumber(node(v)) && num_i64(slice_of(node(v)->valuestring), min, max, ret) == 0)
		return 0;
	return err_set(e, -EINVAL, "%s %s an integer from %lld to %lld", what,
		       v == NULL ? "is missing, it must be" : "must be", (long long)min,
		       (long long)max);
}

int json_bool(const struct json *v, const char *what, bool *ret, struct err *e)
{
	if (!cJSON_IsBool(node(v)))
		return wrong_kind(v, what, "true or false", e);
	*ret = cJSON_IsTrue(node(v));
	return 0;
}

const char *json_string_or_null(const struct json *v)
{
	return cJSON_IsString(node(v)) ? node(v)->valuestring : NULL;
}

bool json_is(const struct json *v, const char *s)
{
	return cJSON_IsString(node(v)) && strcmp(node(v)->valuestring, s) == 0;
}

bool json_has(const struct json *v, const char *s)
{
	if (!cJSON_IsArray(node(v)))
		return json_is(v, s);
	for (size_t i = 0; i < json_len(v); i++)
		if (json_is(json_at(v, i), s))
			return true;
	return false;
}

void json_write(const struct json *v, struct strbuf *out)
{
	const cJSON *n = node(v);
	bool object = cJSON_IsObject(n);

	if (cJSON_IsString(n)) {
		strbuf_append_json(out, slice_of(n->valuestring));
		return;
	}
	if (!object && !cJSON_IsArray(n)) {
		strbuf_append_str(out, cJSON_IsNumber(n) ? n->valuestring
				       : cJSON_IsNull(n) ? "null"
				       : cJSON_IsTrue(n) ? "true"
							 : "false");
		return;
	}
	strbuf_append_char(out, object ? '{' : '[');
	for (const cJSON *c = n->child; c != NULL; c = c->next) {
		if (c != n->child)
			strbuf_append_char(out, ',');
		if (object) {
			strbuf_append_json(out, slice_of(c->string));
			strbuf_append_char(out, ':');
		}
		json_write((const struct json *)(const void *)c, out);
	}
	strbuf_append_char(out, object ? '}' : ']');
}

/* ---- writing */

void jw_init(struct json_writer *w, struct strbuf *out)
{
	*w = (struct json_writer){.out = out};
}

/* What comes before any value or key: a comma, unless it is the first or follows its key. */
static void separate(struct json_writer *w)
{
	uint64_t bit = UINT64_C(1) << w->depth;

	if (w->after_key)
		w->after_key = false;
	else if ((w->comma & bit) != 0)
		strbuf_append_char(w->out, ',');
	w->comma |= bit;
}

static void open_container(struct json_writer *w, bool object)
{
	uint64_t bit;

	separate(w);
	ASSERT(w->depth < 63);
	w->depth++;
	bit = UINT64_C(1) << w->depth;
	w->comma &= ~bit;
	w->object = object ? w->object | bit : w->object & ~bit;
	strbuf_append_char(w->out, object ? '{' : '[');
}

void jw_object(struct json_writer *w)
{
	open_container(w, true);
}

void jw_array(struct json_writer *w)
{
	open_container(w, false);
}

void jw_end(struct json_writer *w)
{
	ASSERT(w->depth > 0 && !w->after_key);
	strbuf_append_char(w->out, (w->object >> w->depth & 1) != 0 ? '}' : ']');
	w->depth--;
}

void jw_key(struct json_writer *w, const char *key)
{
	ASSERT((w->object >> w->depth & 1) != 0 && !w->after_key);
	separate(w);
	strbuf_append_json(w->out, slice_of(key));
	strbuf_append_char(w->out, ':');
	w->after_key = true;
}

void jw_str(struct json_writer *w, const char *s)
{
	if (s == NULL)
		jw_null(w);
	else
		jw_slice(w, slice_of(s));
}

void jw_slice(struct json_writer *w, struct slice s)
{
	separate(w);
	strbuf_append_json(w->out, s);
}

void jw_i64(struct json_writer *w, int64_t v)
{
	separate(w);
	strbuf_append_i64(w->out, v);
}

void jw_double(struct json_writer *w, double v)
{
	separate(w);
	if (isfinite(v))
		strbuf_append_double(w->out, v);
	else
		strbuf_append_str(w->out, "null"); /* JSON has no word for it */
}

void jw_bool(struct json_writer *w, bool v)
{
	separate(w);
	strbuf_append_str(w->out, v ? "true" : "false");
}

void jw_null(struct json_writer *w)
{
	separate(w);
	strbuf_append_str(w->out, "null");
}

void jw_raw(struct json_writer *w, struct slice json)
{
	separate(w);
	strbuf_append_slice(w->out, json);
}
