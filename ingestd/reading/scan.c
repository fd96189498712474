/*
 * One pass, by recursive descent: each function takes the place where its construct begins and
 * returns the place after it, or NULL once the fault is recorded. The recursion is bounded by
 * SCAN_DEPTH_MAX. See scan.h.
 */
#include "ingestd/reading/scan.h"

#include <errno.h>

#include "common/base/utf8.h"
#include "ingestd/reading/swar.h"
#include "ingestd/reading/unescape.h"

/* Elements of an array are taken apart before they are judged: deeper than an event may be, so that
 * one event that is too deep does not spoil its neighbours. */
#define ARRAY_DEPTH_MAX (4 * SCAN_DEPTH_MAX)

/* What numeric takes: digits before the point, digits after it, and an exponent. */
#define NUMERIC_POSITION_MAX 131071 /* of the first digit: 10^131071 */
#define NUMERIC_SCALE_MAX    16383
#define NUMERIC_EXPONENT_MAX (INT32_MAX / 2 - 1)

struct scan {
	const char *start, *end;
	unsigned depth, depth_max;
	struct scan_scratch *scratch;     /* NULL: grammar and UTF-8 only */
	const struct scan_limits *limits; /* NULL with scratch */
	struct scan_index *out;           /* NULL: validate only */
	struct fault *fault;
	uint64_t shape; /* of the value scanned last; 0: null */
};

/* Not NULL, so that there is something to point at. */
static struct slice pointable(struct slice s)
{
	return s.len > 0 ? s : (struct slice){"", 0};
}

static const char *fail(struct scan *s, enum fault_code code, const char *at, const char *what)
{
	(void)fault_at_byte(s->fault, code, (size_t)(at - s->start), what);
	return NULL;
}

static const char *invalid(struct scan *s, const char *at, const char *what)
{
	return fail(s, FAULT_INVALID_JSON, at, at < s->end ? what : "the text ends too early");
}

/* The byte at p, -1 at the end. */
static int peek(const struct scan *s, const char *p)
{
	return p < s->end ? (unsigned char)*p : -1;
}

static const char *skip_space(const struct scan *s, const char *p)
{
	while (p < s->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* ---- strings ---- */

/* p is at the backslash. */
static const char *scan_escape(struct scan *s, const char *p)
{
	int c = peek(s, p + 1);
	int32_t unit;

	if (c != 'u') {
		if (c > 0 && strchr("\"\\/bfnrt", c) != NULL)
			return p + 2;
		return invalid(s, p + 1, "no such escape");
	}
	unit = unescape_hex4(p + 2, s->end);
	if (unit < 0)
		return invalid(s, p, "\\u needs four hexadecimal digits");
	if (s->scratch == NULL)
		return p + 6;
	if (unit == 0)
		return invalid(s, p, "\\u0000 cannot be stored");
	if (unescape_is_low(unit))
		return invalid(s, p, "a low surrogate without a high one before it");
	if (!unescape_is_high(unit))
		return p + 6;
	if (peek(s, p + 6) != '\\' || peek(s, p + 7) != 'u' ||
	    !unescape_is_low(unescape_hex4(p + 8, s->end)))
		return invalid(s, p, "a high surrogate without a low one after it");
	return p + 12;
}

/* The first byte from p on that needs a look of its own. */
static const char *skip_plain(const struct scan *s, const char *p)
{
	if (swar_skip(&p, s->end, true))
		return p;
	while (p < s->end && (unsigned char)*p >= ' ' && (unsigned char)*p < 0x80 && *p != '"' &&
	       *p != '\\')
		p++;
	return p;
}

/* p is at the opening quote. *escaped is set when a backslash occurs, else left alone. */
static const char *scan_string(struct scan *s, const char *p, bool *escaped)
{
	p++;
	for (;;) {
		size_t n;

		p = skip_plain(s, p);
		if (p == s->end)
			return invalid(s, p, NULL);
		if (*p == '"')
			return p + 1;
		if (*p == '\\') {
			*escaped = true;
			p = scan_escape(s, p);
			if (p == NULL)
				return NULL;
			continue;
		}
		if ((unsigned char)*p < ' ')
			return invalid(s, p, "a control character must be escaped");
		n = utf8_sequence(p, (size_t)(s->end - p));
		if (n == 0)
			return fail(s, FAULT_INVALID_UTF8, p, "not UTF-8");
		p += n;
	}
}

/* ---- keys ---- */

/* One step: both halves of the product, so that without the seed nobody can tell which words
 * cancel each other out. */
static uint64_t mix(const struct scan_scratch *t, uint64_t h, uint64_t word)
{
	__extension__ unsigned __int128 product = (unsigned __int128)(h ^ word) * t->seed;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Hash of a key's content. Both branches give a key the same hash, however it is written: they mix
 * its bytes by eights, the last padded with zeros. */
static uint32_t hash_key(const struct scan *s, struct slice key, bool escaped)
{
	const struct scan_scratch *t = s->scratch;
	uint64_t h = t->seed, word = 0;
	struct unescape u = {.p = key.ptr, .end = key.ptr + key.len};
	unsigned n = 0;

	if (!escaped) {
		for (; key.len > 8; key.ptr += 8, key.len -= 8)
			h = mix(t, h, swar_load(key.ptr));
		if (s->end - key.ptr >= 8 && key.len > 0) /* reads past the key, not the text */
			word = swar_load(key.ptr) & UINT64_MAX >> (8 * (8 - key.len));
		else
			for (; n < key.len; n++)
				word |= (uint64_t)(unsigned char)key.ptr[n] << 8 * n;
		return (uint32_t)mix(t, h, word);
	}
	for (int byte; (byte = unescape_next(&u)) >= 0; n++) {
		if (n == 8) {
			h = mix(t, h, word);
			word = 0;
			n = 0;
		}
		word |= (uint64_t)byte << 8 * n;
	}
	return (uint32_t)mix(t, h, word);
}

/*
 * Adds a key of the object whose keys begin at `base` of the stack. A chain leads from a bucket's
 * head through ever older keys, so the keys of this object come before those of the objects around
 * it and the search ends where these begin. Positions in chains are one higher than in keys[].
 */
static bool add_key(struct scan *s, size_t base, struct slice key, bool escaped, uint32_t hash)
{
	struct scan_scratch *t = s->scratch;
	uint16_t *head = &t->heads[hash % SCAN_BUCKETS];

	for (size_t i = *head; i > base; i = t->keys[i - 1].previous) {
		const struct scan_key *k = &t->keys[i - 1];
		struct slice other = {s->start + k->offset, k->len};

		if (k->hash != hash || !unescape_equal(key, escaped, other, k->escaped))
			continue;
		(void)fail(s, FAULT_DUPLICATE_KEY, key.ptr, "this key was there before");
		return false;
	}
	if (t->nkeys == SCAN_KEYS_MAX) {
		(void)fail(s, FAULT_TOO_MANY_KEYS, key.ptr, "too many keys");
		return false;
	}
	t->keys[t->nkeys++] = (struct scan_key){
		.hash = hash,
		.offset = (uint32_t)(key.ptr - s->start),
		.len = (uint32_t)key.len,
		.previous = *head,
		.escaped = escaped,
	};
	*head = (uint16_t)t->nkeys;
	return true;
}

/* Takes the keys from `base` on off the stack, the youngest first, so that every chain gets back
 * the head that it had. */
static void drop_keys(struct scan_scratch *t, size_t base)
{
	while (t->nkeys > base) {
		const struct scan_key *k = &t->keys[--t->nkeys];

		t->heads[k->hash % SCAN_BUCKETS] = k->previous;
	}
}

/* ---- values ---- */

/* Of two parts of a shape; SCAN_NULL being 0, a null adds nothing anywhere. */
static uint64_t blend(uint64_t a, uint64_t b)
{
	uint64_t x = (a * UINT64_C(0x9e3779b97f4a7c15) + b) * UINT64_C(0xbf58476d1ce4e5b9);

	return x ^ x >> 31;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_digits(const struct scan *s, const char *p)
{
	while (p < s->end && is_digit(*p))
		p++;
	return p;
}

/* Would numeric overflow? whole, fraction and exponent point at digits; no exponent is "". */
static bool fits_numeric(struct slice whole, struct slice fraction, struct slice exponent)
{
	bool negative = exponent.len > 0 && exponent.ptr[0] == '-';
	int64_t e = 0, zeros = 0;
	size_t i;

	for (i = exponent.len > 0 && !is_digit(exponent.ptr[0]); i < exponent.len; i++) {
		e = e * 10 + (exponent.ptr[i] - '0');
		if (e > NUMERIC_EXPONENT_MAX)
			return false;
	}
	if (negative)
		e = -e;
	if ((int64_t)fraction.len - e > NUMERIC_SCALE_MAX)
		return false;
	if (whole.ptr[0] != '0')
		return (int64_t)whole.len - 1 + e <= NUMERIC_POSITION_MAX;
	while ((size_t)zeros < fraction.len && fraction.ptr[zeros] == '0')
		zeros++;
	return (size_t)zeros == fraction.len || e - zeros - 1 <= NUMERIC_POSITION_MAX;
}

static const char *scan_number(struct scan *s, const char *p)
{
	struct slice whole, fraction = {p, 0}, exponent = {p, 0};
	const char *start = p;

	p += *p == '-';
	whole = (struct slice){p, 0};
	if (!is_digit(peek(s, p)))
		return invalid(s, p, "expected a digit");
	p = *p == '0' ? p + 1 : skip_digits(s, p);
	whole.len = (size_t)(p - whole.ptr);
	if (peek(s, p) == '.') {
		fraction.ptr = ++p;
		p = skip_digits(s, p);
		fraction.len = (size_t)(p - fraction.ptr);
		if (fraction.len == 0)
			return invalid(s, p, "expected a digit");
	}
	if (peek(s, p) == 'e' || peek(s, p) == 'E') {
		exponent.ptr = ++p;
		p += peek(s, p) == '+' || peek(s, p) == '-';
		if (!is_digit(peek(s, p)))
			return invalid(s, p, "expected a digit");
		p = skip_digits(s, p);
		exponent.len = (size_t)(p - exponent.ptr);
	}
	if (s->scratch != NULL && !fits_numeric(whole, fraction, exponent))
		return invalid(s, start, "the number is out of range");
	return p;
}

static const char *scan_literal(struct scan *s, const char *p, const char *literal)
{
	size_t n = strlen(literal);

	if ((size_t)(s->end - p) < n || memcmp(p, literal, n) != 0)
		return invalid(s, p, "expected a value");
	return p + n;
}

static const char *scan_value(struct scan *s, const char *p, struct scan_member *m);

/* p is at the '['. */
static const char *scan_array(struct scan *s, const char *p)
{
	struct scan_member element = {.key = {NULL, 0}};
	uint64_t least = UINT64_MAX, most = 0;

	p = skip_space(s, p + 1);
	s->shape = SCAN_ARRAY;
	if (peek(s, p) == ']')
		return p + 1;
	for (;;) {
		p = scan_value(s, p, &element);
		if (p == NULL)
			return NULL;
		least = s->shape < least ? s->shape : least;
		most = s->shape > most ? s->shape : most;
		p = skip_space(s, p);
		if (peek(s, p) == ']')
			break;
		if (peek(s, p) != ',')
			return invalid(s, p, "expected ',' or ']'");
		p = skip_space(s, p + 1);
	}
	s->shape = blend(SCAN_ARRAY + least, most);
	return p + 1;
}

/* One "key": value of an object at this depth; its shape is that of both. */
static const char *scan_member(struct scan *s, const char *p, size_t base, struct scan_member *m)
{
	const char *start = p + 1;
	uint32_t hash = 0;

	if (peek(s, p) != '"')
		return invalid(s, p, "expected a key");
	m->key_escaped = false;
	p = scan_string(s, p, &m->key_escaped);
	if (p == NULL)
		return NULL;
	m->key = (struct slice){start, (size_t)(p - 1 - start)};
	if (s->scratch != NULL) {
		hash = hash_key(s, m->key, m->key_escaped);
		if (!add_key(s, base, m->key, m->key_escaped, hash))
			return NULL;
	}
	p = skip_space(s, p);
	if (peek(s, p) != ':')
		return invalid(s, p, "expected ':'");
	p = scan_value(s, skip_space(s, p + 1), m);
	if (s->shape != 0)
		s->shape = blend(hash, s->shape);
	return p;
}

/* p is at the '{'; members go into the index below `parent` unless `record` is false. */
static const char *scan_object(struct scan *s, const char *p, bool record, int parent)
{
	size_t base = s->scratch != NULL ? s->scratch->nkeys : 0;
	struct scan_member skipped;
	uint64_t shape = SCAN_OBJECT;

	p = skip_space(s, p + 1);
	s->shape = shape;
	if (peek(s, p) == '}')
		return p + 1;
	for (;;) {
		struct scan_member *m = &skipped;

		if (record) {
			if (s->out->len == SCAN_MEMBERS_MAX)
				return fail(s, FAULT_TOO_MANY_KEYS, p, "too many keys");
			m = &s->out->members[s->out->len++];
			m->parent = parent;
		}
		p = scan_member(s, p, base, m);
		if (p == NULL)
			return NULL;
		shape += s->shape; /* a sum: their order does not matter */
		p = skip_space(s, p);
		if (peek(s, p) == '}')
			break;
		if (peek(s, p) != ',')
			return invalid(s, p, "expected ',' or '}'");
		p = skip_space(s, p + 1);
	}
	if (s->scratch != NULL)
		drop_keys(s->scratch, base);
	s->shape = shape;
	return p + 1;
}

/* Is m a member of the outermost object that the caller wants to look into? */
static bool wanted(const struct scan *s, const struct scan_member *m)
{
	for (size_t i = 0; i < s->limits->ndescend && m->key.ptr != NULL; i++)
		if (unescape_equal(m->key, m->key_escaped, s->limits->descend[i], false))
			return true;
	return false;
}

/* p is at a '{' or '['. */
static const char *scan_container(struct scan *s, const char *p, struct scan_member *m)
{
	int parent = -1;
	bool record = false;

	if (s->depth == s->depth_max)
		return fail(s, FAULT_TOO_DEEP, p, "nested too deep");
	if (s->out != NULL && s->depth == 0) {
		record = true;
	} else if (s->out != NULL && s->depth == 1 && *p == '{' && wanted(s, m)) {
		record = true;
		parent = (int)(m - s->out->members);
	}
	s->depth++;
	p = *p == '{' ? scan_object(s, p, record, parent) : scan_array(s, p);
	s->depth--;
	return p;
}

/* p is at the first byte of the value, without space before it. Fills m's value and kind. */
static const char *scan_value(struct scan *s, const char *p, struct scan_member *m)
{
	const char *start = p;

	m->value_escaped = false;
	switch (peek(s, p)) {
	case '"':
		m->kind = SCAN_STRING;
		p = scan_string(s, p, &m->value_escaped);
		break;
	case '{':
		m->kind = SCAN_OBJECT;
		p = scan_container(s, p, m);
		break;
	case '[':
		m->kind = SCAN_ARRAY;
		p = scan_container(s, p, m);
		break;
	case 't':
		m->kind = SCAN_BOOL;
		p = scan_literal(s, p, "true");
		break;
	case 'f':
		m->kind = SCAN_BOOL;
		p = scan_literal(s, p, "false");
		break;
	case 'n':
		m->kind = SCAN_NULL;
		p = scan_literal(s, p, "null");
		break;
	default:
		if (peek(s, p) != '-' && !is_digit(peek(s, p)))
			return invalid(s, p, "expected a value");
		m->kind = SCAN_NUMBER;
		p = scan_number(s, p);
	}
	if (m->kind < SCAN_ARRAY)
		s->shape = m->kind;
	if (p != NULL)
		m->value = (struct slice){start, (size_t)(p - start)};
	return p;
}

/* ---- entry points ---- */

void scan_scratch_init(struct scan_scratch *scratch, uint64_t seed)
{
	scratch->seed = seed ^ UINT64_C(0x9e3779b97f4a7c15); /* large also when it is small */
	scratch->nkeys = 0;
	memset(scratch->heads, 0, sizeof(scratch->heads));
}

int scan_document(struct slice text, const struct scan_limits *limits, struct scan_scratch *scratch,
		  struct scan_index *ret, struct fault *fault)
{
	struct scan s = {
		.start = pointable(text).ptr,
		.end = pointable(text).ptr + text.len,
		.depth_max = SCAN_DEPTH_MAX,
		.scratch = scratch,
		.limits = limits,
		.out = ret,
		.fault = fault,
	};
	struct scan_member outermost = {.key = {NULL, 0}};
	const char *p;

	ASSERT(limits->size_max <= UINT32_MAX);
	if (text.len > limits->size_max)
		return fault_at_byte(fault, FAULT_TOO_LARGE, limits->size_max, "too many bytes");
	if (ret != NULL)
		ret->len = 0;
	p = scan_value(&s, skip_space(&s, s.start), &outermost);
	drop_keys(scratch, 0); /* those that a fault left there */
	if (p == NULL)
		return -EINVAL;
	p = skip_space(&s, p);
	if (p != s.end)
		return fault_at_byte(fault, FAULT_INVALID_JSON, (size_t)(p - s.start),
				     "something follows the value");
	if (ret != NULL) {
		ret->kind = outermost.kind;
		ret->shape = s.shape;
	}
	return 0;
}

enum scan_kind scan_kind_of(struct slice value)
{
	static const enum scan_kind kinds[256] = {
		['"'] = SCAN_STRING, ['{'] = SCAN_OBJECT, ['['] = SCAN_ARRAY,  ['t'] = SCAN_BOOL,
		['f'] = SCAN_BOOL,   ['-'] = SCAN_NUMBER, ['0'] = SCAN_NUMBER, ['1'] = SCAN_NUMBER,
		['2'] = SCAN_NUMBER, ['3'] = SCAN_NUMBER, ['4'] = SCAN_NUMBER, ['5'] = SCAN_NUMBER,
		['6'] = SCAN_NUMBER, ['7'] = SCAN_NUMBER, ['8'] = SCAN_NUMBER, ['9'] = SCAN_NUMBER,
	}; /* the rest is null's 'n' */
	const struct scan s = {.end = value.ptr + value.len};

	value.ptr = skip_space(&s, value.ptr);
	return value.ptr < s.end ? kinds[(unsigned char)*value.ptr] : SCAN_NULL;
}

size_t scan_unescape(struct slice s, char *out)
{
	struct unescape u = {.p = s.ptr, .end = s.ptr + s.len};
	size_t n = 0;

	for (int byte; (byte = unescape_next(&u)) >= 0; n++)
		out[n] = (char)byte;
	return n;
}

const struct scan_member *scan_find(const struct scan_index *index, int parent, const char *key)
{
	for (size_t i = 0; i < index->len; i++) {
		const struct scan_member *m = &index->members[i];

		if (m->parent == parent &&
		    unescape_equal(m->key, m->key_escaped, slice_of(key), false))
			return m;
	}
	return NULL;
}

/* The container that is walked through, a part at a time: its brackets and how a part is read. */
struct walk {
	char open, close;
	const char *expected_open, *expected_more;
};

static int walk_next(const struct walk *w, struct slice text, size_t *offset, struct scan_member *m,
		     struct fault *fault)
{
	struct scan s = {
		.start = pointable(text).ptr,
		.end = pointable(text).ptr + text.len,
		.depth_max = ARRAY_DEPTH_MAX,
		.fault = fault,
	};
	const char *p = skip_space(&s, s.start + *offset);
	bool last;

	m->value = (struct slice){NULL, 0};
	if (*offset != 0 && p == s.end)
		return 0;
	if (*offset == 0) {
		if (peek(&s, p) != w->open) {
			(void)invalid(&s, p, w->expected_open);
			return -EINVAL;
		}
		p = skip_space(&s, p + 1);
	}
	if (*offset != 0 || peek(&s, p) != w->close) {
		p = w->open == '{' ? scan_member(&s, p, 0, m) : scan_value(&s, p, m);
		if (p == NULL)
			return -EINVAL;
		p = skip_space(&s, p);
	}
	last = peek(&s, p) == w->close;
	if (!last && peek(&s, p) != ',') {
		(void)invalid(&s, p, w->expected_more);
		return -EINVAL;
	}
	p = skip_space(&s, p + 1);
	if (last != (p == s.end)) {
		(void)invalid(&s, p,
			      w->open == '{' ? "something follows the object"
					     : "something follows the array");
		return -EINVAL;
	}
	*offset = (size_t)(p - s.start);
	return m->value.ptr != NULL; /* else it is empty */
}

int scan_array_next(struct slice text, size_t *offset, struct slice *ret, struct fault *fault)
{
	static const struct walk array = {'[', ']', "expected '['", "expected ',' or ']'"};
	struct scan_member element = {.key = {NULL, 0}};
	int r = walk_next(&array, text, offset, &element, fault);

	if (r > 0)
		*ret = element.value;
	return r;
}

int scan_object_next(struct slice text, size_t *offset, struct scan_member *ret,
		     struct fault *fault)
{
	static const struct walk object = {'{', '}', "expected '{'", "expected ',' or '}'"};

	*ret = (struct scan_member){.parent = -1};
	return walk_next(&object, text, offset, ret, fault);
}
