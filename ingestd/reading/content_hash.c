/*
 * The payload is written in canonical form, in the order of the text, into one buffer; when an
 * object ends, its members are put in order where they stand. So each byte is read once, whatever
 * the nesting, and keys are compared as they were unescaped. See content_hash.h.
 */
#include "ingestd/reading/content_hash.h"

#include "common/base/xalloc.h"
#include "ingestd/reading/scan.h"
#include "ingestd/reading/swar.h"

#define FEW_MEMBERS 24 /* of an object: put in order without qsort */

struct content_hasher {
	struct hash_sha256 *sha256;
	char *buffer;
	size_t cap;
	struct slice *members; /* of the objects that are open, as they stand in the buffer */
};

/* A run over one payload. Places are checked against an end only where a value may be the last
 * thing in the text: it is validated, and no value is longer in canonical form than ROOM says. */
#define ROOM(len) (2 * (len) + 16)
struct run {
	const char *in, *in_end;
	char *out;
	struct slice *members;
	size_t nmembers;
};

struct content_hasher *content_hasher_new(void)
{
	struct content_hasher *h = xcalloc(1, sizeof(*h));

	h->sha256 = hash_sha256_new();
	h->members = xcalloc(SCAN_KEYS_MAX, sizeof(*h->members));
	return h;
}

void content_hasher_free(struct content_hasher *h)
{
	if (h == NULL)
		return;
	hash_sha256_free(h->sha256);
	free(h->buffer);
	free(h->members);
	free(h);
}

static void skip_space(struct run *r)
{
	while (*r->in == ' ' || *r->in == '\n' || *r->in == '\r' || *r->in == '\t')
		r->in++;
}

/* in is at the opening quote. */
static void put_string(struct run *r)
{
	struct slice inside = {++r->in, 0};
	bool escaped = false;

	for (;;) {
		(void)swar_skip(&r->in, r->in_end, false); /* the quote is before the end */
		while (*r->in != '"' && *r->in != '\\')
			r->in++;
		if (*r->in == '"')
			break;
		escaped = true;
		r->in += 2;
	}
	inside.len = (size_t)(r->in++ - inside.ptr);
	if (escaped) {
		r->out += scan_unescape(inside, r->out);
	} else {
		memcpy(r->out, inside.ptr, inside.len);
		r->out += inside.len;
	}
	*r->out++ = '\0';
}

static int peek(const struct run *r)
{
	return r->in < r->in_end ? *r->in : '\0';
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int64_t take_exponent(struct run *r)
{
	bool negative;
	int64_t e = 0;

	if ((peek(r) | 0x20) != 'e')
		return 0;
	r->in++;
	negative = peek(r) == '-';
	if (!is_digit(peek(r)))
		r->in++;
	for (; is_digit(peek(r)); r->in++)
		e = e * 10 + (*r->in - '0'); /* the scanner bounds it far below overflow */
	return negative ? -e : e;
}

static void put_i64(struct run *r, int64_t v)
{
	char digits[24];
	char *p = digits + sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do
		*--p = (char)('0' + u % 10);
	while ((u /= 10) != 0);
	if (v < 0)
		*--p = '-';
	memcpy(r->out, p, (size_t)(digits + sizeof(digits) - p));
	r->out += digits + sizeof(digits) - p;
}

/* Exact: the digits are moved, never computed with. */
static void put_number(struct run *r)
{
	char *start = r->out, *first;
	int64_t exponent = 0;
	bool fraction = false;

	if (*r->in == '-')
		*r->out++ = *r->in++;
	first = r->out;
	for (; is_digit(peek(r)) || peek(r) == '.'; r->in++) {
		if (*r->in == '.') {
			fraction = true;
			continue;
		}
		exponent -= fraction;
		if (r->out > first || *r->in != '0')
			*r->out++ = *r->in;
	}
	exponent += take_exponent(r);
	for (; r->out > first && r->out[-1] == '0'; r->out--)
		exponent++;
	if (r->out == first) { /* zero, which has no sign */
		r->out = start;
		*r->out++ = '0';
	} else if (exponent != 0) {
		*r->out++ = 'e';
		put_i64(r, exponent);
	}
	*r->out++ = '\0';
}

static void put_value(struct run *r);

static void put_array(struct run *r)
{
	*r->out++ = '[';
	r->in++;
	for (skip_space(r); *r->in != ']'; skip_space(r)) {
		if (*r->in == ',')
			r->in++;
		put_value(r);
	}
	r->in++;
	*r->out++ = ']';
}

/* Members begin with their key and a NUL, and no two keys of an object are equal. */
static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct slice *)a)->ptr, ((const struct slice *)b)->ptr);
}

/* For few of them, most of which are in order as a rule. Returns how many were not. */
static size_t insert_sort(struct slice *members, size_t n)
{
	size_t moved = 0;

	for (size_t i = 1; i < n; i++) {
		struct slice one = members[i];
		size_t at = i;

		for (; at > 0 && by_key(&members[at - 1], &one) > 0; at--)
			members[at] = members[at - 1];
		moved += at < i;
		members[at] = one;
	}
	return moved;
}

/* Puts the members from `base` on, which fill the buffer from `start` to out, in order. */
static void sort_members(struct run *r, size_t base, char *start)
{
	struct slice *members = r->members + base;
	size_t n = r->nmembers - base, len = (size_t)(r->out - start);
	char *copy = r->out;
	size_t moved = 0;

	if (n <= FEW_MEMBERS) {
		moved = insert_sort(members, n);
	} else {
		for (size_t i = 1; i < n; i++)
			moved += by_key(&members[i - 1], &members[i]) > 0;
		if (moved > 0)
			qsort(members, n, sizeof(*members), by_key);
	}
	if (moved == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		memcpy(copy, members[i].ptr, members[i].len);
		copy += members[i].len;
	}
	memcpy(start, r->out, len);
}

static void put_object(struct run *r)
{
	size_t base = r->nmembers;
	char *start;

	*r->out++ = '{';
	start = r->out;
	r->in++;
	for (skip_space(r); *r->in != '}'; skip_space(r)) {
		char *member = r->out;

		if (*r->in == ',') {
			r->in++;
			skip_space(r);
		}
		put_string(r);
		skip_space(r);
		r->in++; /* the colon */
		put_value(r);
		ASSERT(r->nmembers < SCAN_KEYS_MAX);
		r->members[r->nmembers++] = (struct slice){member, (size_t)(r->out - member)};
	}
	r->in++;
	sort_members(r, base, start);
	r->nmembers = base;
	*r->out++ = '}';
}

static void put_value(struct run *r)
{
	skip_space(r);
	switch (*r->in) {
	case '{':
		put_object(r);
		break;
	case '[':
		put_array(r);
		break;
	case '"':
		*r->out++ = 's';
		put_string(r);
		break;
	case 't':
	case 'f':
	case 'n':
		*r->out++ = *r->in;
		r->in += *r->in == 'f' ? 5 : 4;
		break;
	default:
		*r->out++ = 'd';
		put_number(r);
	}
}

/* Makes the buffer hold `size` bytes; what is in it is lost. */
static char *make_room(struct content_hasher *h, size_t size)
{
	if (size > h->cap) {
		free(h->buffer);
		h->buffer = xmalloc(size);
		h->cap = size;
	}
	return h->buffer;
}

static void put_part(struct run *r, struct slice part)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*r->out++ = (char)(part.len >> shift & 0xff);
	if (part.len > 0)
		memcpy(r->out, part.ptr, part.len);
	r->out += part.len;
}

void content_hash(struct content_hasher *h, const struct slice *parts, size_t nparts,
		  struct slice payload, unsigned char out[HASH_SHA256_LEN])
{
	struct run r = {.members = h->members};
	size_t size = 2 * ROOM(payload.len); /* the form itself, and the copy that sorting makes */

	for (size_t i = 0; i < nparts; i++)
		size += 4 + parts[i].len;
	r.out = make_room(h, size);
	for (size_t i = 0; i < nparts; i++)
		put_part(&r, parts[i]);
	if (payload.len > 0) {
		r.in = payload.ptr;
		r.in_end = payload.ptr + payload.len;
		put_value(&r);
	}
	ASSERT((size_t)(r.out - h->buffer) <= size - ROOM(payload.len));
	hash_sha256_update(h->sha256, (struct slice){h->buffer, (size_t)(r.out - h->buffer)});
	hash_sha256_final(h->sha256, out);
}
