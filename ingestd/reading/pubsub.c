/* Reading a push body; see pubsub.h. */
#include "ingestd/reading/pubsub.h"

#include "common/base/hash.h"
#include "common/base/num.h"

struct reading {
	struct arena *arena;
	struct scan_scratch *scratch;
	struct scan_index *index; /* of the body */
	int message;              /* its position there */
};

static struct slice text_of(struct arena *arena, const struct scan_member *m)
{
	struct slice inside;
	char *plain;

	if (m == NULL || m->kind != SCAN_STRING)
		return (struct slice){NULL, 0};
	inside = scan_inside(m->value);
	if (!m->value_escaped)
		return inside;
	plain = arena_alloc(arena, inside.len);
	return (struct slice){plain, scan_unescape(inside, plain)};
}

/* A string of the message, by the first of its two names that is there. */
static struct slice message_text(const struct reading *r, const char *camel, const char *snake)
{
	const struct scan_member *m = scan_find(r->index, r->message, camel);

	if (m == NULL)
		m = scan_find(r->index, r->message, snake);
	return text_of(r->arena, m);
}

/* Those that are strings, as Pub/Sub's all are. */
static int read_attributes(const struct reading *r, struct envelope_transport *ret,
			   struct fault *fault)
{
	static const struct scan_limits limits = {.size_max = PUBSUB_BODY_MAX};
	const struct scan_member *m = scan_find(r->index, r->message, "attributes");
	struct envelope_attribute *attributes;
	struct scan_index *index;
	int rc;

	if (m == NULL || m->kind == SCAN_NULL)
		return 0;
	if (m->kind != SCAN_OBJECT)
		return fault_at_source(fault, FAULT_BAD_MESSAGE, "message.attributes",
				       "not an object");
	index = arena_alloc(r->arena, sizeof(*index));
	rc = scan_document(m->value, &limits, r->scratch, index, fault);
	if (rc != 0) /* valid as a part of the body, so there are too many of them */
		return fault_at_source(fault, FAULT_BAD_MESSAGE, "message.attributes", "too many");
	attributes = arena_alloc(r->arena, (index->len + 1) * sizeof(*attributes));
	for (size_t i = 0; i < index->len; i++) {
		const struct scan_member *a = &index->members[i];
		struct slice name = a->key;

		if (a->key_escaped) {
			char *plain = arena_alloc(r->arena, name.len);

			name = (struct slice){plain, scan_unescape(a->key, plain)};
		}
		attributes[i] = (struct envelope_attribute){name, text_of(r->arena, a)};
	}
	ret->attributes = attributes;
	ret->nattributes = index->len;
	return 0;
}

static int read_data(const struct reading *r, struct slice *ret, struct fault *fault)
{
	const struct scan_member *m = scan_find(r->index, r->message, "data");
	struct slice base64;
	unsigned char *bytes;
	size_t len;

	if (m == NULL || m->kind == SCAN_NULL) {
		*ret = (struct slice){"", 0};
		return 0;
	}
	if (m->kind != SCAN_STRING)
		return fault_at_source(fault, FAULT_BAD_MESSAGE, "message.data", "not a string");
	base64 = text_of(r->arena, m);
	bytes = arena_alloc(r->arena, base64.len * 3 / 4 + 3);
	if (hash_base64_decode(base64, bytes, &len) != 0)
		return fault_at_source(fault, FAULT_BAD_MESSAGE, "message.data", "not base64");
	*ret = (struct slice){(const char *)bytes, len};
	return 0;
}

/* What is beside the message. */
static void read_delivery(const struct reading *r, struct pubsub_message *ret)
{
	const struct scan_member *attempt = scan_find(r->index, -1, "deliveryAttempt");

	ret->subscription = text_of(r->arena, scan_find(r->index, -1, "subscription"));
	ret->ack_id = text_of(r->arena, scan_find(r->index, -1, "ackId"));
	if (attempt == NULL || num_i64(attempt->value, 1, INT64_MAX, &ret->delivery_attempt) != 0)
		ret->delivery_attempt = 0;
}

int pubsub_read(struct slice body, struct arena *arena, struct scan_scratch *scratch,
		struct pubsub_message *ret, struct fault *fault)
{
	static const struct slice descend[] = {{"message", 7}};
	static const struct scan_limits limits = {PUBSUB_BODY_MAX, descend, ARRAY_SIZE(descend)};
	struct reading r = {.arena = arena, .scratch = scratch};
	const struct scan_member *m;
	int rc;

	*ret = (struct pubsub_message){.delivery_attempt = 0};
	r.index = arena_alloc(arena, sizeof(*r.index));
	rc = scan_document(body, &limits, scratch, r.index, fault);
	if (rc != 0)
		return rc;
	read_delivery(&r, ret);
	m = scan_find(r.index, -1, "message");
	if (m == NULL || m->kind != SCAN_OBJECT)
		return fault_at_source(fault, FAULT_BAD_MESSAGE, "message", "not an object");
	r.message = (int)(m - r.index->members);
	rc = read_data(&r, &ret->data, fault);
	if (rc == 0)
		rc = read_attributes(&r, &ret->transport, fault);
	if (rc != 0)
		return rc;
	ret->transport.message_id = message_text(&r, "messageId", "message_id");
	ret->transport.publish_time = message_text(&r, "publishTime", "publish_time");
	ret->transport.ordering_key = message_text(&r, "orderingKey", "ordering_key");
	return 0;
}

int pubsub_pulled(struct slice body, struct slice *ret_messages, struct fault *fault)
{
	struct scan_member m;
	struct slice one;
	size_t offset = 0, element = 0;
	int n = 0, r;

	*ret_messages = (struct slice){NULL, 0};
	while ((r = scan_object_next(body, &offset, &m, fault)) > 0) {
		if (!slice_eq_str(m.key, "receivedMessages"))
			continue;
		if (m.kind != SCAN_ARRAY)
			return fault_at_source(fault, FAULT_BAD_MESSAGE, "receivedMessages",
					       "not an array");
		*ret_messages = m.value;
	}
	while (r == 0 && ret_messages->len > 0 &&
	       scan_array_next(*ret_messages, &element, &one, NULL) > 0)
		n++;
	return r < 0 ? r : n;
}
