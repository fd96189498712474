/*
 * scan, content_hash, fingerprint: what is accepted is UTF-8 and JSON to the other parser too, its
 * index points at values inside it, and spelling it differently changes neither verdict nor hash;
 * nothing is left behind in the scratch space, whatever the verdict.
 */
#include "common/base/json.h"
#include "common/base/utf8.h"
#include "ingestd/reading/content_hash.h"
#include "ingestd/reading/fingerprint.h"
#include "ingestd/reading/scan.h"

#define TEXT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct scan_scratch scratch;
static struct scan_index found;

static int scan(struct slice text, struct scan_index *ret, struct fault *fault)
{
	static const struct slice descend[] = {SLICE_INIT("a"), SLICE_INIT("envelope")};
	static const struct scan_limits limits = {16 * TEXT_MAX, descend, ARRAY_SIZE(descend)};
	int r = scan_document(text, &limits, &scratch, ret, fault);

	ASSERT(scratch.nkeys == 0);
	for (size_t i = 0; i < SCAN_BUCKETS; i++)
		ASSERT(scratch.heads[i] == 0);
	return r;
}

static void check_index(struct slice text)
{
	for (size_t i = 0; i < found.len; i++) {
		const struct scan_member *m = &found.members[i];
		static struct scan_index inner;

		ASSERT(m->parent < (int)i && m->key.ptr > text.ptr);
		ASSERT(m->value.ptr > m->key.ptr && m->value.len > 0);
		ASSERT(m->value.ptr + m->value.len < text.ptr + text.len);
		ASSERT(scan(m->value, &inner, NULL) == 0 && inner.kind == m->kind);
		ASSERT(scan_find(&found, m->parent, "") == NULL || m->key.len > 0 ||
		       scan_find(&found, m->parent, "") == m);
	}
}

/* The same content with more spaces, and every ASCII character of a string as an escape. */
static void respell(struct slice text, struct strbuf *out)
{
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '"')
			in_string = !in_string;
		if (in_string && c == '\\') {
			size_t len = text.ptr[i + 1] == 'u' ? 6 : 2;

			strbuf_append(out, text.ptr + i, len);
			i += len - 1;
		} else if (in_string && c != '"' && (unsigned char)c < 0x80) {
			strbuf_appendf(out, "\\u%04X", (unsigned)c);
		} else {
			strbuf_append_char(out, c);
			if (!in_string && strchr(",:[]{}", c) != NULL)
				strbuf_append(out, " \n", 2);
		}
	}
}

/* The same shape, however it is spelled; a set of paths is sorted and its own. */
static void check_shape(struct slice text, struct slice other)
{
	static struct scan_index index;
	struct arena *arena = arena_new();
	struct slice paths, again;

	ASSERT(scan(text, &index, NULL) == 0);
	found.shape = index.shape;
	ASSERT(scan(other, &index, NULL) == 0);
	ASSERT(index.shape == found.shape && index.kind == scan_kind_of(text));
	ASSERT(fingerprint_make(text, arena, &paths) == fingerprint_make(text, arena, &again));
	ASSERT(slice_eq(paths, again) && utf8_valid(paths));
	ASSERT(paths.len == 0 || paths.ptr[paths.len - 1] == '\n');
	arena_free(arena);
}

static void check_object(struct slice text)
{
	struct scan_member m;
	size_t offset = 0;
	int r;

	while ((r = scan_object_next(text, &offset, &m, NULL)) > 0) {
		ASSERT(m.kind == scan_kind_of(m.value) && m.value.len > 0);
	}
	ASSERT(r == 0);
}

static void check_spelling(struct slice text)
{
	static struct content_hasher *hasher;
	unsigned char a[HASH_SHA256_LEN], b[HASH_SHA256_LEN];
	struct strbuf other = STRBUF_INIT;

	if (hasher == NULL)
		hasher = content_hasher_new();
	respell(text, &other);
	ASSERT(scan(strbuf_slice(&other), NULL, NULL) == 0);
	content_hash(hasher, NULL, 0, text, a);
	content_hash(hasher, NULL, 0, strbuf_slice(&other), b);
	ASSERT(memcmp(a, b, sizeof(a)) == 0);
	check_shape(text, strbuf_slice(&other));
	strbuf_clear(&other);
}

static void check_array(struct slice text, bool accepted)
{
	struct slice element;
	size_t offset = 0, n = 0;
	int r;

	while ((r = scan_array_next(text, &offset, &element, NULL)) > 0) {
		ASSERT(element.ptr > text.ptr && element.len > 0);
		ASSERT(element.ptr + element.len < text.ptr + text.len);
		if (accepted)
			ASSERT(scan(element, NULL, NULL) == 0);
		n++;
	}
	ASSERT(n <= text.len);
	if (accepted)
		ASSERT(r == 0);
}

/* common/base/json.c is another parser with the same rules, but for the range of numbers and many
 * keys.
 */
static void check_agreement(struct slice text, bool accepted, const struct fault *fault)
{
	struct json *j;
	struct err e = ERR_INIT;

	if (json_parse(text, TEXT_MAX, &j, &e) == 0) {
		json_free(j);
		ASSERT(accepted || fault->code == FAULT_TOO_MANY_KEYS ||
		       strstr(fault->what, "number") != NULL);
	} else {
		ASSERT(!accepted || strstr(e.msg, "number") != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = {(const char *)data, size};
	struct fault fault = {.code = FAULT_NONE};
	bool accepted = scan(text, &found, &fault) == 0;

	check_agreement(text, accepted, &fault);
	check_array(text, accepted && found.kind == SCAN_ARRAY);
	if (!accepted) {
		ASSERT(fault.code != FAULT_NONE && fault.what != NULL && fault.offset <= size);
		return 0;
	}
	ASSERT(utf8_valid(text));
	check_index(text);
	if (found.kind == SCAN_OBJECT)
		check_object(text);
	check_spelling(text);
	return 0;
}
