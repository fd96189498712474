/*
 * pubsub: a push body and the answer of a pull, from anybody: what is read lies where it should,
 * and an answer that can be taken apart is taken apart the same way twice.
 */
#include "common/base/utf8.h"
#include "ingestd/reading/pubsub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct scan_scratch scratch;

static void check_text(struct slice s)
{
	ASSERT(s.len == 0 || s.ptr != NULL);
	ASSERT(utf8_valid(s));
}

static void check_wrapper(struct slice body)
{
	struct arena *arena = arena_new();
	struct pubsub_message m;
	struct fault fault = {.code = FAULT_NONE};
	char place[FAULT_PLACE_MAX];

	memset(&m, 0x55, sizeof(m));
	if (pubsub_read(body, arena, &scratch, &m, &fault) == 0) {
		for (size_t i = 0; i < m.transport.nattributes; i++) {
			check_text(m.transport.attributes[i].name);
			check_text(m.transport.attributes[i].value);
		}
		check_text(m.transport.message_id);
		check_text(m.transport.publish_time);
		check_text(m.transport.ordering_key);
		check_text(m.subscription);
		ASSERT(m.data.len <= body.len && m.delivery_attempt >= 0);
	} else {
		ASSERT(fault.code != FAULT_NONE && fault.what != NULL);
		fault_place(&fault, place);
	}
	check_text(m.ack_id); /* in either case */
	arena_free(arena);
}

static void check_answer(struct slice body)
{
	struct slice messages, one;
	struct fault fault = {.code = FAULT_NONE};
	size_t offset = 0;
	int n = pubsub_pulled(body, &messages, &fault), seen = 0;

	if (n < 0) {
		ASSERT(fault.code != FAULT_NONE && fault.what != NULL);
		return;
	}
	while (messages.len > 0 && scan_array_next(messages, &offset, &one, NULL) > 0) {
		check_wrapper(one);
		seen++;
	}
	ASSERT(seen == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = {(const char *)data, size};

	check_wrapper(body);
	check_answer(body);
	return 0;
}
