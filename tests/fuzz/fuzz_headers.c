/*
 * headers, envelope: header fields ("Name: value" lines, up to a NUL) beside a body. What they say
 * is kept as JSON; read again from there it is the same event.
 */
#include "common/base/json.h"
#include "common/base/utf8.h"
#include "ingestd/reading/headers.h"

#define NOW INT64_C(1767323045000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event event, again;

static void take_lines(struct headers *h, struct slice lines)
{
	while (lines.len > 0) {
		const char *end = memchr(lines.ptr, '\n', lines.len);
		size_t len = end != NULL ? (size_t)(end - lines.ptr) : lines.len;
		char *line = arena_strndup(h->arena, lines.ptr, len);
		char *colon = strchr(line, ':');

		if (colon != NULL) {
			*colon = '\0';
			headers_take(h, line, colon + 1 + (colon[1] == ' '));
		}
		lines.ptr += len + (end != NULL);
		lines.len -= len + (end != NULL);
	}
}

/* The attributes as they would come back from their column. */
static struct envelope_transport kept(const struct envelope_transport *t, struct arena *arena)
{
	struct envelope_attribute *copy = arena_alloc(arena, (t->nattributes + 1) * sizeof(*copy));
	struct envelope_transport other = *t;

	for (size_t i = 0; i < t->nattributes; i++) {
		struct strbuf text = STRBUF_INIT;
		struct json *value = NULL;
		const char *s;

		ASSERT(utf8_valid(t->attributes[i].name));
		strbuf_append_json(&text, t->attributes[i].value);
		ASSERT(json_parse(strbuf_slice(&text), text.len, &value, NULL) == 0);
		s = json_string_or_null(value);
		copy[i] = (struct envelope_attribute){t->attributes[i].name,
						      slice_of(arena_strdup(arena, s))};
		json_free(value);
		strbuf_clear(&text);
	}
	other.attributes = copy;
	return other;
}

static void check_event(const struct envelope_transport *t, struct slice body, struct arena *arena)
{
	static struct envelope_reader *reader;
	struct envelope_transport other = kept(t, arena);
	struct fault fault = {.code = FAULT_NONE};
	char place[FAULT_PLACE_MAX];

	if (reader == NULL)
		reader = envelope_reader_new("*");
	if (envelope_read(reader, body, t, NOW, &event, &fault) != 0) {
		ASSERT(fault.code != FAULT_NONE && fault.what != NULL);
		fault_place(&fault, place);
		return;
	}
	ASSERT((event.payload.len > 0) == (event.payload_key != NULL));
	ASSERT(envelope_read(reader, body, &other, NOW, &again, NULL) == 0);
	ASSERT(slice_eq(event.dedupe_key, again.dedupe_key));
	ASSERT(slice_eq(event.tenant_id, again.tenant_id));
	ASSERT(memcmp(event.content_hash, again.content_hash, HASH_SHA256_LEN) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = {(const char *)data, size}, body = {"", 0};
	const char *nul = size > 0 ? memchr(data, '\0', size) : NULL;
	struct headers h = {.arena = arena_new()};
	struct envelope_transport t;
	struct fault fault = {.code = FAULT_NONE};

	if (nul != NULL) {
		body = (struct slice){nul + 1, size - (size_t)(nul - all.ptr) - 1};
		all.len = (size_t)(nul - all.ptr);
	}
	take_lines(&h, all);
	ASSERT(h.nattributes <= HEADERS_MAX);
	if (headers_end(&h, &t, &fault) == 0)
		check_event(&t, body, h.arena);
	else
		ASSERT(fault.code == FAULT_BAD_MESSAGE && fault.what != NULL);
	arena_free(h.arena);
	return 0;
}
