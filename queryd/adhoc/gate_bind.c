/*
 * A lexer just good enough to know what is text and what is not; see gate_bind.h. Where it is
 * wrong, the parser that reads the result refuses the statement.
 */
#include "queryd/adhoc/gate_bind.h"

#include <errno.h>

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

/* Past bytes that begin neither text, comment nor name. */
static void skip_plain(struct lexer *l)
{
	static const bool looked_at['@' + 1] = {
		['\''] = true, ['"'] = true, ['-'] = true, ['/'] = true, ['$'] = true, ['@'] = true,
	};

	while (l->at < l->sql.len && (byte_at(l, l->at) > '@' || !looked_at[byte_at(l, l->at)]))
		l->at++;
}

/* l->at is at an @ that begins a name. */
static bool bind_name(struct lexer *l, const struct gate_params *params, struct arena *a,
		      struct gate_text *t, const char **what)
{
	struct slice name = {l->sql.ptr + l->at + 1, 0};
	size_t i, from = t->sql.len;

	while (name.len < l->sql.len - l->at - 1 && is_word_byte((unsigned char)name.ptr[name.len]))
		name.len++;
	i = gate_params_find(params, name);
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

int gate_bind(struct slice sql, const struct gate_params *params, struct arena *a,
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
			skip_plain(&l);
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

size_t gate_bind_origin(const struct gate_text *t, size_t offset)
{
	size_t shift = 0;

	for (size_t i = 0; i < t->nmarks && t->marks[i].from <= offset; i++) {
		if (offset < t->marks[i].to)
			return t->marks[i].from - shift;
		shift = t->marks[i].shift;
	}
	return offset - shift;
}
