/* The parser's JSON as a row of values; see gate_tree.h. */
#include "queryd/adhoc/gate_tree.h"

#include <errno.h>

#include "common/base/xalloc.h"

#define ROOM_FIRST 512

struct reader {
	char *at, *end;
	struct gate_tree *tree;
};

static bool take(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* \u00XX of a byte that is text by itself: the parser escapes those below a space, < and >. */
static bool read_code(struct reader *r, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;

	if (r->end - r->at < 6 || memcmp(r->at, "\\u00", 4) != 0)
		return false;
	high = memchr(digits, r->at[4], sizeof(digits) - 1);
	low = memchr(digits, r->at[5], sizeof(digits) - 1);
	if (high == NULL || low == NULL || high - digits > 7)
		return false;
	*ret = (char)((high - digits) * 16 + (low - digits));
	r->at += 6;
	return *ret != '\0';
}

/* At a backslash. */
static bool read_escape(struct reader *r, char *ret)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *letter;

	if (r->end - r->at < 2)
		return false;
	letter = memchr(letters, r->at[1], sizeof(letters) - 1);
	if (letter == NULL)
		return read_code(r, ret);
	*ret = meant[letter - letters];
	r->at += 2;
	return true;
}

/* From behind the opening quote to behind the closing one; unescaped where it stands. */
static bool read_text(struct reader *r, struct slice *ret)
{
	char *from = r->at, *to;

	while (r->at < r->end && *r->at != '"' && *r->at != '\\')
		r->at++;
	to = r->at;
	while (r->at < r->end && *r->at != '"') {
		if (*r->at != '\\')
			*to = *r->at++;
		else if (!read_escape(r, to))
			return false;
		to++;
	}
	*ret = (struct slice){from, (size_t)(to - from)};
	return take(r, '"');
}

static bool read_word(struct reader *r, struct slice *ret)
{
	const char *from = r->at;

	while (r->at < r->end && ((*r->at >= '0' && *r->at <= '9') ||
				  (*r->at >= 'a' && *r->at <= 'z') || *r->at == '-'))
		r->at++;
	*ret = (struct slice){from, (size_t)(r->at - from)};
	return ret->len > 0;
}

/* Its place in the row, which moves when the row grows. */
static size_t add_value(struct gate_tree *t, struct slice name)
{
	if (t->n == t->room) {
		t->room = t->room > 0 ? 2 * t->room : ROOM_FIRST;
		t->values = xreallocarray(t->values, t->room, sizeof(*t->values));
	}
	t->values[t->n] = (struct gate_value){.name = name};
	return t->n++;
}

static bool read_value(struct reader *r, struct slice name, unsigned depth);

/* What stands between the brackets of a list or an object. */
static bool read_inside(struct reader *r, bool members, char close, unsigned depth)
{
	struct slice name = {NULL, 0};

	if (take(r, close))
		return true;
	do {
		if (members && !(take(r, '"') && read_text(r, &name) && take(r, ':')))
			return false;
		if (!read_value(r, name, depth))
			return false;
	} while (take(r, ','));
	return take(r, close);
}

static bool read_value(struct reader *r, struct slice name, unsigned depth)
{
	size_t at = add_value(r->tree, name);
	enum gate_kind kind = GATE_WORD;
	struct slice text = {NULL, 0};
	bool ok;

	if (depth == GATE_TREE_DEPTH)
		return false;
	if (take(r, '"')) {
		kind = GATE_TEXT;
		ok = read_text(r, &text);
	} else if (take(r, '{')) {
		kind = GATE_OBJECT;
		ok = read_inside(r, true, '}', depth + 1);
	} else if (take(r, '[')) {
		kind = GATE_LIST;
		ok = read_inside(r, false, ']', depth + 1);
	} else {
		ok = read_word(r, &text);
	}
	r->tree->values[at].text = text;
	r->tree->values[at].kind = kind;
	r->tree->values[at].size = (uint32_t)(r->tree->n - at);
	return ok;
}

int gate_tree_read(char *json, size_t len, struct gate_tree *ret)
{
	struct reader r = {json, json + len, ret};

	*ret = (struct gate_tree){.n = 0};
	if (len > UINT32_MAX || !read_value(&r, (struct slice){NULL, 0}, 0) || r.at != r.end)
		return -EINVAL;
	return 0;
}

void gate_tree_clear(struct gate_tree *t)
{
	free(t->values);
	*t = (struct gate_tree){.n = 0};
}

const struct gate_value *gate_value_get(const struct gate_value *object, const char *name)
{
	const struct slice wanted = slice_of(name);

	if (object == NULL || object->kind != GATE_OBJECT)
		return NULL;
	for (const struct gate_value *v = gate_value_first(object); v != gate_value_end(object);
	     v = gate_value_next(v)) {
		if (gate_same_name(v->name, wanted))
			return v;
	}
	return NULL;
}

size_t gate_value_count(const struct gate_value *list)
{
	size_t n = 0;

	if (list == NULL || list->kind != GATE_LIST)
		return 0;
	for (const struct gate_value *v = gate_value_first(list); v != gate_value_end(list);
	     v = gate_value_next(v))
		n++;
	return n;
}

struct slice gate_value_text(const struct gate_value *v)
{
	return v != NULL && v->kind == GATE_TEXT ? v->text : (struct slice){"", 0};
}
