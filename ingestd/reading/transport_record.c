/* Keeping and restoring what a transport said; see transport_record.h. */
#include "ingestd/reading/transport_record.h"

#include "common/base/json.h"

#define RECORD_MAX ((size_t)1 << 20)

static struct slice keep(struct strbuf *text, struct arena *a)
{
	struct slice kept = {arena_strndup(a, text->ptr, text->len), text->len};

	strbuf_clear(text);
	return kept;
}

struct slice transport_attributes(const struct envelope_transport *t, struct arena *a)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (t->nattributes == 0)
		return (struct slice){NULL, 0};
	jw_init(&w, &out);
	jw_object(&w);
	for (size_t i = 0; i < t->nattributes; i++) {
		const struct envelope_attribute *attribute = &t->attributes[i];

		jw_key(&w, arena_strndup(a, attribute->name.ptr, attribute->name.len));
		jw_slice(&w, attribute->value);
	}
	jw_end(&w);
	return keep(&out, a);
}

/* The members of the record and where they belong. */
static const struct member {
	const char *name;
	size_t offset;
} members[] = {
	{"messageId", offsetof(struct envelope_transport, message_id)},
	{"publishTime", offsetof(struct envelope_transport, publish_time)},
	{"orderingKey", offsetof(struct envelope_transport, ordering_key)},
};

struct slice transport_message(const struct envelope_transport *t, struct arena *a)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	bool said = false;

	jw_init(&w, &out);
	jw_object(&w);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct slice *value = (const struct slice *)((const char *)t +
								   members[i].offset);

		if (value->len == 0)
			continue;
		jw_key(&w, members[i].name);
		jw_slice(&w, *value);
		said = true;
	}
	jw_end(&w);
	if (!said)
		strbuf_reset(&out);
	return keep(&out, a);
}

static struct json *parse(struct slice text)
{
	struct json *doc = NULL;

	if (text.len == 0 || json_parse(text, RECORD_MAX, &doc, NULL) < 0)
		return NULL;
	return doc;
}

static struct slice text_of(const struct json *v, struct arena *a)
{
	const char *s = json_string_or_null(v);

	return s != NULL ? slice_of(arena_strdup(a, s)) : (struct slice){NULL, 0};
}

struct envelope_transport transport_restore(struct slice attributes, struct slice message,
					    struct arena *a)
{
	struct envelope_transport t = {.attributes = NULL};
	struct json *said = parse(attributes), *rest = parse(message);
	struct envelope_attribute *list = arena_alloc(a, (json_len(said) + 1) * sizeof(*list));

	for (size_t i = 0; i < json_len(said); i++) {
		list[i].name = slice_of(arena_strdup(a, json_key_at(said, i)));
		list[i].value = text_of(json_at(said, i), a);
	}
	t.attributes = list;
	t.nattributes = json_len(said);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		struct slice *value = (struct slice *)((char *)&t + members[i].offset);

		*value = text_of(json_get(rest, members[i].name), a);
	}
	json_free(said);
	json_free(rest);
	return t;
}
