/* envelope: what the transport says beside a text, and CloudEvents in binary mode, which say all of
 * it there. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/strbuf.h"
#include "ingestd/reading/rules.h"
#include "tests/unit/envelope_expected.h"

#define NOW (T0 + SECOND)

static struct envelope_reader *reader;
static struct event event, other;
static struct fault fault;

static void setup(void)
{
	reader = envelope_reader_new("*");
	fault = (struct fault){.code = FAULT_NONE};
}

static void teardown(void)
{
	envelope_reader_free(reader);
}

static int read_text(const char *text)
{
	return envelope_read(reader, slice_of(text), NULL, NOW, &event, &fault);
}

static const struct envelope_attribute attributes[] = {
	{SLICE_INIT("eventType"), SLICE_INIT("melmastoon.x.y.z.v4")},
	{SLICE_INIT("tenantId"), SLICE_INIT("t_01HZ0000000000000000000001")},
	{SLICE_INIT("traceparent"), SLICE_INIT(PARENT)},
	{SLICE_INIT("schemaVersion"), SLICE_INIT("9")},
	{SLICE_INIT("idempotencyKey"), SLICE_INIT("evt_" ULID_B)},
	{SLICE_INIT("retentionClass"), SLICE_INIT("audit")},
	{SLICE_INIT("samplingRate"), SLICE_INIT("0.5")},
};

static const struct envelope_transport transport = {
	.attributes = attributes,
	.nattributes = ARRAY_SIZE(attributes),
	.message_id = SLICE_INIT("2070443601311540"),
	.publish_time = SLICE_INIT("2026-01-02T03:04:06.000Z"),
	.ordering_key = SLICE_INIT("7f3a"),
};

static int read_message(const char *text, const struct envelope_transport *t)
{
	return envelope_read(reader, slice_of(text), t, NOW, &event, &fault);
}

START_TEST(test_transport_fills_gaps)
{
	static const struct expected want = {
		.event_id = "evt_" ULID_B,
		.dedupe_key = ULID_B,
		.subject = "melmastoon.x.y.z.v4",
		.domain = "x",
		.tenant_id = TENANT,
		.occurred_at_us = T0,
		.published_at_us = T0 + SECOND,
		.aggregate_type = "y",
		.schema_version = 9,
		.traceparent = PARENT,
		.ordering_key = "7f3a",
		.retention_class = "audit",
		.retention_word = "audit",
		.sampling_rate = 0.5,
	};

	ck_assert_int_eq(read_message("{\"occurredAt\":\"" T0_ "\"}", &transport), 0);
	check_event(&event, &want);
}
END_TEST

START_TEST(test_transport_comes_last)
{
	ck_assert_int_eq(read_message("{" ID SUBJECT TEN TIME
				      "\"partitionKey\":\"p\",\"traceId\":\"t\","
				      "\"publishedAt\":\"" T0_ "\",\"retention\":\"short\"," END,
				      &transport),
			 0);
	ck_assert(slice_eq_str(event.event_id, "evt_" ULID_A));
	ck_assert(slice_eq_str(event.subject, "melmastoon.a.b.c.v1"));
	ck_assert(slice_eq_str(event.ordering_key, "p"));
	ck_assert(slice_eq_str(event.traceparent, "t"));
	ck_assert(slice_eq_str(event.retention_class, "operational"));
	ck_assert_int_eq(event.published_at_us, T0);
}
END_TEST

START_TEST(test_transport_spellings)
{
	static const struct envelope_attribute cloud[] = {
		{SLICE_INIT("type"), SLICE_INIT("melmastoon.billing.folio.closed.v1")},
		{SLICE_INIT("tenantid"), SLICE_INIT(TENANT)},
		{SLICE_INIT("tenantId"), SLICE_INIT("")}, /* an empty one is none */
	};
	struct envelope_transport t = {
		cloud, ARRAY_SIZE(cloud), SLICE_LIT("m-1"), {NULL, 0}, {NULL, 0}};

	ck_assert_int_eq(read_message("{\"time\":\"" T0_ "\"}", &t), 0);
	ck_assert(slice_eq_str(event.dedupe_key, "m-1"));
	ck_assert(slice_eq_str(event.domain, "billing"));
	ck_assert(slice_eq_str(event.tenant_id, TENANT));
	ck_assert_int_eq(event.published_at_us, EVENT_NO_TIME);
}
END_TEST

START_TEST(test_transport_bytes)
{
	static const struct envelope_attribute bad[] = {
		{SLICE_INIT("tenantId"), SLICE_INIT("tnt_\xff")},
		{SLICE_INIT("traceparent"), SLICE_INIT("\xc3")},
		{SLICE_INIT("retentionClass"), SLICE_INIT("a\nb")},
	};
	struct envelope_transport t = {
		bad, ARRAY_SIZE(bad), SLICE_LIT("m\0"), {NULL, 0}, {NULL, 0}};
	char place[FAULT_PLACE_MAX];

	ck_assert_int_eq(read_message("{" SUBJECT TIME END, &t), -EINVAL);
	fault_place(&fault, place);
	ck_assert_str_eq(place, "message.messageId");
	t.message_id = SLICE_LIT("m");
	ck_assert_int_eq(read_message("{" SUBJECT TIME END, &t), -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_BAD_TENANT);
	fault_place(&fault, place);
	ck_assert_str_eq(place, "attributes.tenantId");
	ck_assert_int_eq(read_message("{" SUBJECT TEN TIME END, &t), 0);
	ck_assert_uint_eq(event.traceparent.len + event.retention_word.len, 0);
}
END_TEST

/* A message that is no JSON still has a subject and a tenant, for the dead letter. */
START_TEST(test_transport_of_garbage)
{
	ck_assert_int_eq(read_message("<xml/>", &transport), -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_INVALID_JSON);
	ck_assert(slice_eq_str(event.subject, "melmastoon.x.y.z.v4"));
	ck_assert(slice_eq_str(event.tenant_id, TENANT));
	/* and nothing of the event that was read before */
	ck_assert_int_eq(read_text("{" ID SUBJECT TEN TIME "\"correlationId\":\"c\"," END), 0);
	ck_assert_int_eq(read_text("{" ID), -EINVAL);
	ck_assert_uint_eq(event.event_id.len + event.subject.len + event.correlation_id.len, 0);
}
END_TEST

/* ---- CloudEvents in binary mode ---- */

static const struct envelope_attribute ce_attributes[] = {
	{SLICE_INIT("ce-specversion"), SLICE_INIT("1.0")},
	{SLICE_INIT("ce-id"), SLICE_INIT("evt_" ULID_A)},
	{SLICE_INIT("ce-type"), SLICE_INIT("melmastoon.payment.transaction.captured.v1")},
	{SLICE_INIT("ce-source"), SLICE_INIT("//melmastoon/payment-gateway-service")},
	{SLICE_INIT("ce-subject"), SLICE_INIT(TENANT "/payments/pay_" ULID_B)},
	{SLICE_INIT("ce-time"), SLICE_INIT(T0_)},
	{SLICE_INIT("ce-tenantid"), SLICE_INIT("t_01HZ0000000000000000000001")},
	{SLICE_INIT("ce-correlationid"), SLICE_INIT("c")},
	{SLICE_INIT("ce-causationid"), SLICE_INIT("d")},
	{SLICE_INIT("ce-traceparent"), SLICE_INIT(PARENT)},
	{SLICE_INIT("ce-partitionkey"), SLICE_INIT("p")},
	{SLICE_INIT("ce-retentionclass"), SLICE_INIT("audit")},
	{SLICE_INIT("ce-dataresidency"), SLICE_INIT("EU")},
	{SLICE_INIT("ce-samplingrate"), SLICE_INIT("0.5")},
	{SLICE_INIT("ce-schemaversion"), SLICE_INIT("3")},
	/* the transport's come after the event's own */
	{SLICE_INIT("idempotencyKey"), SLICE_INIT("other")},
	{SLICE_INIT("eventType"), SLICE_INIT("melmastoon.x.y.z.v4")},
	{SLICE_INIT("tenantId"), SLICE_INIT("tnt_01HZ0000000000000000000002")},
};

static const struct envelope_transport ce_transport = {
	.attributes = ce_attributes,
	.nattributes = ARRAY_SIZE(ce_attributes),
	.message_id = SLICE_INIT("17"),
};

/* Whatever the data's members are called, they are the payload's. */
START_TEST(test_binary_mode)
{
	static const char data[] =
		"{\"id\":\"x\",\"tenantId\":null,\"time\":7,\"type\":"
		"\"melmastoon.a.b.c.v1\",\"payload\":{},\"envelope\":{\"eventId\":"
		"\"y\"}}";
	static const struct expected want = {
		.event_id = "evt_" ULID_A,
		.dedupe_key = ULID_A,
		.subject = "melmastoon.payment.transaction.captured.v1",
		.domain = "payment",
		.tenant_id = TENANT,
		.occurred_at_us = T0,
		.payload = data,
		.payload_key = EVENT_WHOLE_TEXT,
		.aggregate_type = "transaction",
		.aggregate_id = "pay_" ULID_B,
		.schema_version = 3,
		.producer = "//melmastoon/payment-gateway-service",
		.correlation_id = "c",
		.causation_id = "d",
		.traceparent = PARENT,
		.ordering_key = "p",
		.retention_class = "audit",
		.retention_word = "audit",
		.data_residency = "europe-west3",
		.sampling_rate = 0.5,
	};
	char spaced[sizeof(data) + 8];
	unsigned char hash[HASH_SHA256_LEN];

	ck_assert_msg(read_message(data, &ce_transport) == 0, "%s", fault.what);
	check_event(&event, &want);
	memcpy(hash, event.content_hash, sizeof(hash));
	(void)snprintf(spaced, sizeof(spaced), "\n\t %s \r\n", data);
	ck_assert_int_eq(read_message(spaced, &ce_transport), 0);
	check_event(&event, &want);
	ck_assert_mem_eq(event.content_hash, hash, sizeof(hash));
}
END_TEST

/* The same event says the same in either mode. */
START_TEST(test_binary_is_structured)
{
	static const char *const data[] = {"{\"a\":1}", "[1]", "\"x\"", "7", "null", ""};
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
		strbuf_reset(&text);
		strbuf_append_str(&text,
				  "{\"specversion\":\"1.0\",\"id\":\"evt_" ULID_A
				  "\",\"type\":\"melmastoon.payment.transaction.captured.v1\","
				  "\"subject\":\"" TENANT "/payments/pay_" ULID_B
				  "\",\"time\":\"" T0_ "\",\"tenantid\":\"" TENANT "\"");
		if (data[i][0] != '\0')
			strbuf_appendf(&text, ",\"data\":%s", data[i]);
		strbuf_append_char(&text, '}');
		ck_assert_int_eq(read_text(strbuf_cstr(&text)), 0);
		ck_assert_int_eq(envelope_read(reader, slice_of(data[i]), &ce_transport, NOW,
					       &other, &fault),
				 0);
		ck_assert_mem_eq(event.content_hash, other.content_hash, HASH_SHA256_LEN);
		ck_assert(slice_eq(event.payload, other.payload));
		ck_assert_int_eq(event.payload_key == NULL, other.payload_key == NULL);
	}
	strbuf_clear(&text);
}
END_TEST

/* What is missing is missing from the attributes; the data's fault has its place in the data. */
START_TEST(test_binary_refused)
{
	static const struct {
		size_t left_out;
		const char *data, *place;
		enum fault_code code;
	} cases[] = {
		{1, "{}", NULL, FAULT_NONE}, /* the transport's idempotencyKey */
		{2, "{}", NULL, FAULT_NONE}, /* its eventType */
		{5, "{}", "attributes.ce-time", FAULT_MISSING_TIME},
		{6, "{}", NULL, FAULT_NONE},
		{7, " {", "byte 2", FAULT_INVALID_JSON},
		{7, "{} {}", "byte 3", FAULT_INVALID_JSON},
		{7, "{\"a\":1,\"a\":2}", "byte 8", FAULT_DUPLICATE_KEY},
	};
	struct envelope_attribute some[ARRAY_SIZE(ce_attributes)];
	struct envelope_transport t = {.attributes = some, .nattributes = ARRAY_SIZE(some)};
	char place[FAULT_PLACE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(some, ce_attributes, sizeof(some));
		some[cases[i].left_out].name = SLICE_LIT("left-out");
		if (cases[i].place == NULL) {
			ck_assert_int_eq(read_message(cases[i].data, &t), 0);
			continue;
		}
		ck_assert_int_eq(read_message(cases[i].data, &t), -EINVAL);
		ck_assert_int_eq(fault.code, cases[i].code);
		fault_place(&fault, place);
		ck_assert_str_eq(place, cases[i].place);
	}
	/* without the mark the attributes are a fallback like others */
	memcpy(some, ce_attributes, sizeof(some));
	some[0].name = SLICE_LIT("left-out");
	ck_assert_int_eq(read_message("{\"id\":\"x\",\"payload\":{}}", &t), 0);
	ck_assert(slice_eq_str(event.event_id, "x"));
	ck_assert_str_eq(event.payload_key, "payload");
}
END_TEST

START_TEST(test_attribute_names)
{
	ck_assert_str_eq(rules_attribute(SLICE_LIT("TENANTID")), "tenantId");
	ck_assert_str_eq(rules_attribute(SLICE_LIT("idempotencykey")), "idempotencyKey");
	ck_assert_ptr_null(rules_attribute(SLICE_LIT("tenant")));
	ck_assert_ptr_null(rules_attribute(SLICE_LIT("")));
	ck_assert_ptr_null(rules_attribute(SLICE_LIT("messageId"))); /* a field of the message */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("envelope_transport");
	TCase *tc = tcase_create("envelope_transport");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_transport_fills_gaps);
	tcase_add_test(tc, test_transport_comes_last);
	tcase_add_test(tc, test_transport_spellings);
	tcase_add_test(tc, test_transport_bytes);
	tcase_add_test(tc, test_transport_of_garbage);
	tcase_add_test(tc, test_binary_mode);
	tcase_add_test(tc, test_binary_is_structured);
	tcase_add_test(tc, test_binary_refused);
	tcase_add_test(tc, test_attribute_names);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
