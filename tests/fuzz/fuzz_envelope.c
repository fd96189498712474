/*
 * envelope: an event that is accepted can be stored as it is, and reads the same twice;
 * one that is refused says why and where. The first line of an input, up to a NUL, is what the
 * transport says; the rest is the event.
 */
#include "common/base/utf8.h"
#include "ingestd/reading/ident.h"
#include "ingestd/reading/rules.h"

#define NOW INT64_C(1767323045000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event event, again;

static void check_text(struct slice s, size_t max)
{
	ASSERT(s.len <= max && utf8_valid(s));
	for (size_t i = 0; i < s.len; i++)
		ASSERT((unsigned char)s.ptr[i] >= ' ');
}

static void check_event(void)
{
	ASSERT(event.event_id.len > 0 && event.dedupe_key.len > 0 && event.domain.len > 0);
	ASSERT(ident_is_tenant(event.tenant_id) || slice_eq_str(event.tenant_id, EVENT_PLATFORM));
	ASSERT(slice_starts(event.subject, "melmastoon."));
	ASSERT(event.occurred_at_us <= NOW + INT64_C(86400000000));
	ASSERT(event.sampling_rate > 0 && event.sampling_rate <= 1);
	ASSERT(event.retention_class.len > 0 && event.aggregate_type.len > 0);
	ASSERT(event.schema_version >= 0 && event.schema_version <= INT32_MAX);
	ASSERT((event.payload.len > 0) == (event.payload_key != NULL));
	ASSERT(event.text_len <= sizeof(event.text));
}

/* Also of a refused event: the dead letter has them. */
static void check_texts(void)
{
	check_text(event.event_id, 200);
	check_text(event.dedupe_key, 200);
	check_text(event.subject, 200);
	check_text(event.tenant_id, 64);
	check_text(event.aggregate_type, 200);
	check_text(event.aggregate_id, 200);
	check_text(event.producer, 200);
	check_text(event.correlation_id, 200);
	check_text(event.causation_id, 200);
	check_text(event.traceparent, 200);
	check_text(event.ordering_key, 1024);
	check_text(event.retention_word, 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct envelope_reader *reader;
	struct slice all = {(const char *)data, size}, head = {all.ptr, 0}, text = all;
	const char *nul = size > 0 ? memchr(data, '\0', size) : NULL;
	struct fault fault = {.code = FAULT_NONE};
	char place[FAULT_PLACE_MAX];
	int r;

	if (reader == NULL)
		reader = envelope_reader_new("me-central1");
	if (nul != NULL) {
		head.len = (size_t)(nul - all.ptr);
		text = (struct slice){nul + 1, size - head.len - 1};
	}
	{
		struct envelope_attribute attributes[] = {{SLICE_LIT("tenantId"), head},
							  {SLICE_LIT("type"), head}};
		struct envelope_transport transport = {attributes, 2, head, head, head};

		r = envelope_read(reader, text, &transport, NOW, &event, &fault);
		check_texts();
		if (r == 0) {
			check_event();
			ASSERT(envelope_read(reader, text, &transport, NOW, &again, NULL) == 0);
			ASSERT(slice_eq(event.dedupe_key, again.dedupe_key));
			ASSERT(memcmp(event.content_hash, again.content_hash, HASH_SHA256_LEN) ==
			       0);
		} else {
			ASSERT(fault.code != FAULT_NONE && fault.what != NULL);
			ASSERT(fault.source != NULL || fault.offset <= text.len);
			fault_place(&fault, place);
		}
	}
	return 0;
}
