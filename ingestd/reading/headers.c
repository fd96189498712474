/* Envelopes in header fields; see headers.h. */
#include "ingestd/reading/headers.h"

#include <strings.h>

#include "common/base/uri.h"
#include "ingestd/reading/rules.h"

#define CE_PREFIX "ce-"

/* The fields of Pub/Sub's own: an attribute must not pass for one, so each may come once only. */
static const struct {
	const char *name;
	size_t offset; /* of the member of struct headers */
	const char *source;
} metadata[] = {
	{"x-goog-pubsub-message-id", offsetof(struct headers, message_id), "#messageId"},
	{"x-goog-pubsub-publish-time", offsetof(struct headers, publish_time), "#publishTime"},
	{"x-goog-pubsub-ordering-key", offsetof(struct headers, ordering_key), "#orderingKey"},
};

static void fail(struct headers *h, const char *source, const char *what)
{
	if (h->fault.code == FAULT_NONE)
		(void)fault_at_source(&h->fault, FAULT_BAD_MESSAGE, source, what);
}

static struct slice keep(struct headers *h, const char *s)
{
	size_t len = strlen(s);

	return (struct slice){arena_strndup(h->arena, s, len), len};
}

static bool take_metadata(struct headers *h, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(metadata); i++) {
		struct slice *field = (struct slice *)(void *)((char *)h + metadata[i].offset);

		if (strcasecmp(name, metadata[i].name) != 0)
			continue;
		if (field->ptr != NULL)
			fail(h, metadata[i].source, "there twice");
		*field = keep(h, value);
		return true;
	}
	return false;
}

/* CloudEvents says in which characters; anything else would be another attribute to somebody. */
static bool is_ce_name(const char *name)
{
	const char *p = name + strlen(CE_PREFIX);

	return strncmp(name, CE_PREFIX, strlen(CE_PREFIX)) == 0 && *p != '\0' &&
	       p[strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789")] == '\0';
}

static char *lower_case(struct headers *h, const char *name)
{
	char *lower = arena_strdup(h->arena, name);

	for (char *p = lower; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p | 0x20);
	return lower;
}

static bool known(const struct headers *h, const char *name)
{
	for (size_t i = 0; i < h->nattributes; i++)
		if (slice_eq_str(h->attributes[i].name, name))
			return true;
	return false;
}

/* The value of a ce-* field; empty after a fault. */
static struct slice decoded(struct headers *h, const char *value)
{
	char *plain = arena_alloc(h->arena, strlen(value) + 1);

	if (uri_decode(slice_of(value), false, plain) < 0) {
		fail(h, "headers", "a ce-* value is not percent-encoded UTF-8");
		plain[0] = '\0';
	}
	return slice_of(plain);
}

void headers_take(void *arg, const char *name, const char *value)
{
	struct headers *h = arg;
	const char *lower = lower_case(h, name);
	bool ce = is_ce_name(lower);
	const char *kept = ce ? lower : rules_attribute(slice_of(name));

	if (take_metadata(h, name, value) || kept == NULL)
		return;
	if (known(h, kept)) {
		if (ce)
			fail(h, "headers", "a ce-* field is there twice");
		return; /* of an attribute's, the first counts: a proxy may have added one */
	}
	if (h->nattributes == HEADERS_MAX) {
		fail(h, "headers", "too many attributes");
		return;
	}
	h->attributes[h->nattributes++] = (struct envelope_attribute){
		slice_of(kept), ce ? decoded(h, value) : keep(h, value)};
}

int headers_end(struct headers *h, struct envelope_transport *ret, struct fault *fault)
{
	if (h->fault.code != FAULT_NONE)
		return fault_at_source(fault, h->fault.code, h->fault.source, h->fault.what);
	*ret = (struct envelope_transport){
		.attributes = h->attributes,
		.nattributes = h->nattributes,
		.message_id = h->message_id,
		.publish_time = h->publish_time,
		.ordering_key = h->ordering_key,
	};
	return 0;
}
