/* Values of a tenant's parameters; see gate_params.h. */
#include "queryd/adhoc/gate_params.h"

#include <errno.h>
#include <stdarg.h>

#include "common/base/num.h"
#include "common/base/timestamp.h"

#define NAME_MAX_LEN 60
#define VALUE_MAX    ((size_t)8 * 1024)
#define ELEMENTS_MAX 1000

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

size_t gate_params_find(const struct gate_params *params, struct slice name)
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
		size_t at = gate_params_find(ret, slice_of(json_key_at(params, i)));

		r.name = json_key_at(params, i);
		if (read_param(&r, json_at(params, i), &ret->v[at]) < 0)
			return -EINVAL;
		ret->n += at == ret->n;
	}
	return 0;
}
