/* envelope: single events, each refused with its reason and place, or accepted at the edge. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "tests/unit/envelope_expected.h"

#define LONG_ID                                                                              \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901" \
	"2345678901234567890123456789012345678901234567890123456789012345678901234567890123" \
	"456789012345678901234567890123456789"

static struct envelope_reader *reader;
static struct event event;
static struct fault fault;

static void setup(void)
{
	reader = envelope_reader_new("*");
}

static void teardown(void)
{
	envelope_reader_free(reader);
}

static int read_text(const char *text)
{
	return envelope_read(reader, slice_of(text), NULL, T0 + SECOND, &event, &fault);
}

static const struct {
	const char *text;
	enum fault_code code;
	const char *place;
} refused[] = {
	{"{" ID SUBJECT TEN TIME "\"payload\":{}", FAULT_INVALID_JSON, "byte 163"},
	{"{" ID SUBJECT TEN TIME "\"payload\":{\"a\":\"\xff\"}}", FAULT_INVALID_UTF8, "byte 167"},
	{"{" ID SUBJECT TEN TIME TIME END, FAULT_DUPLICATE_KEY, "byte 152"},
	{"[]", FAULT_NOT_AN_OBJECT, "byte 0"},
	{"[{}]", FAULT_NOT_AN_OBJECT, "byte 0"},
	{"\"x\"", FAULT_NOT_AN_OBJECT, "byte 0"},
	{"null", FAULT_NOT_AN_OBJECT, "byte 0"},
	{"17", FAULT_NOT_AN_OBJECT, "byte 0"},
	{"", FAULT_INVALID_JSON, "byte 0"},
	{"{}", FAULT_MISSING_EVENT_ID, "$.eventId"},
	/* event id */
	{"{" SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.eventId"},
	{"{\"id\":null," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.id"},
	{"{\"id\":\"\"," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.id"},
	{"{\"id\":7," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.id"},
	{"{\"id\":{\"id\":\"x\"}," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.id"},
	{"{\"eventId\":\"a\\nb\"," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.eventId"},
	{"{\"eventId\":\"a\x7f\"," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.eventId"},
	{"{\"id\":\"" LONG_ID "1\"," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.id"},
	{"{\"envelope\":{\"eventId\":false}," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID,
	 "$.envelope.eventId"},
	{"{\"event_id\":\"x\"," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.eventId"},
	{"{\"EventId\":\"x\"," SUBJECT TEN TIME END, FAULT_MISSING_EVENT_ID, "$.eventId"},
	{"{\"payload\":{\"id\":\"x\"}," SUBJECT TEN "\"time\":\"" T0_ "\"}", FAULT_MISSING_EVENT_ID,
	 "$.eventId"},
	/* subject */
	{"{" ID TEN TIME END, FAULT_MISSING_SUBJECT, "$.eventType"},
	{"{" ID "\"subject\":null," TEN TIME END, FAULT_MISSING_SUBJECT, "$.subject"},
	{"{" ID "\"subject\":7," TEN TIME END, FAULT_MISSING_SUBJECT, "$.subject"},
	{"{" ID "\"subject\":\"\"," TEN TIME END, FAULT_MISSING_SUBJECT, "$.subject"},
	{"{" ID "\"subject\":\"" TENANT "\"," TEN TIME END, FAULT_MISSING_SUBJECT, "$.subject"},
	{"{" ID "\"subject\":\"melmastoon\"," TEN TIME END, FAULT_MISSING_SUBJECT, "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a.v1\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a.b\"," TEN TIME END, FAULT_MISSING_SUBJECT, "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a.b.v\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a.b.vx\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a.b.v1.\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a..b.v1\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\".melmastoon.a.b.v1\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.A.b.v1\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a-b.c.v1\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\" melmastoon.a.b.v1\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a.b.v1\\n\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoonx.a.b.v1\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a.b.v99999999999\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"subject\":\"melmastoon.a." LONG_ID ".v1\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.subject"},
	{"{" ID "\"type\":\"order.created\",\"subject\":\"x\"," TEN TIME END, FAULT_MISSING_SUBJECT,
	 "$.type"},
	{"{" ID "\"event_name\":\"mel.backoffice.widget.open\"," TEN TIME END,
	 FAULT_MISSING_SUBJECT, "$.event_name"},
	/* tenant */
	{"{" ID SUBJECT TIME END, FAULT_MISSING_TENANT, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":null," TIME END, FAULT_NULL_TENANT_NOT_ALLOWED, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantid\":null," TIME END, FAULT_NULL_TENANT_NOT_ALLOWED, "$.tenantid"},
	{"{" ID SUBJECT "\"envelope\":{\"tenantId\":null}," TIME END, FAULT_NULL_TENANT_NOT_ALLOWED,
	 "$.envelope.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":\"\"," TIME END, FAULT_BAD_TENANT, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":7," TIME END, FAULT_BAD_TENANT, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":[\"" TENANT "\"]," TIME END, FAULT_BAD_TENANT, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":\"hotel\"," TIME END, FAULT_BAD_TENANT, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":\"" ULID_A "\"," TIME END, FAULT_BAD_TENANT, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":\"tnt_session_" ULID_A "\"," TIME END, FAULT_BAD_TENANT,
	 "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":\"ppt_" ULID_A "\"," TIME END, FAULT_BAD_TENANT,
	 "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":\"" TENANT "0\"," TIME END, FAULT_BAD_TENANT, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":\"" TENANT " \"," TIME END, FAULT_BAD_TENANT, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":\"tnt_01HZ00000000000000000000IL\"," TIME END,
	 FAULT_BAD_TENANT, "$.tenantId"},
	{"{" ID SUBJECT "\"tenantId\":\"_platform\"," TIME END, FAULT_BAD_TENANT, "$.tenantId"},
	{"{" ID "\"subject\":\"melmastoon.bff.consumer.x.v1\"," TIME END, FAULT_MISSING_TENANT,
	 "$.tenantId"}, /* its null must be said */
	{"{" ID "\"subject\":\"melmastoon.bff.tenant.x.v1\",\"tenantId\":null," TIME END,
	 FAULT_NULL_TENANT_NOT_ALLOWED, "$.tenantId"},
	{"{" ID "\"subject\":\"melmastoon.iamx.user.x.v1\",\"tenantId\":null," TIME END,
	 FAULT_NULL_TENANT_NOT_ALLOWED, "$.tenantId"},
	{"{" ID "\"subject\":\"melmastoon.analytics.etl.started.v1\",\"tenantId\":\"x\"," TIME END,
	 FAULT_BAD_TENANT, "$.tenantId"},
	/* time */
	{"{" ID SUBJECT TEN END, FAULT_MISSING_TIME, "$.occurredAt"},
	{"{" ID SUBJECT TEN "\"occurredAt\":null," END, FAULT_MISSING_TIME, "$.occurredAt"},
	{"{" ID SUBJECT TEN "\"occurredAt\":\"\"," END, FAULT_BAD_TIME, "$.occurredAt"},
	{"{" ID SUBJECT TEN "\"occurredAt\":true," END, FAULT_BAD_TIME, "$.occurredAt"},
	{"{" ID SUBJECT TEN "\"occurredAt\":\"yesterday\"," END, FAULT_BAD_TIME, "$.occurredAt"},
	{"{" ID SUBJECT TEN "\"occurredAt\":\"2026-01-02\"," END, FAULT_BAD_TIME, "$.occurredAt"},
	{"{" ID SUBJECT TEN "\"occurredAt\":\"2026-01-02T03:04:05\"," END, FAULT_BAD_TIME,
	 "$.occurredAt"}, /* no offset */
	{"{" ID SUBJECT TEN "\"occurredAt\":\"2026-02-30T03:04:05Z\"," END, FAULT_BAD_TIME,
	 "$.occurredAt"},
	{"{" ID SUBJECT TEN "\"occurredAt\":\"" T0_ " \"," END, FAULT_BAD_TIME, "$.occurredAt"},
	{"{" ID SUBJECT TEN "\"time\":\"1767323045000\"," END, FAULT_BAD_TIME, "$.time"},
	{"{" ID SUBJECT TEN "\"time\":1767323045000.5," END, FAULT_BAD_TIME, "$.time"},
	{"{" ID SUBJECT TEN "\"time\":1e12," END, FAULT_BAD_TIME, "$.time"},
	{"{" ID SUBJECT TEN "\"timestamp_ms\":253402300800000," END, FAULT_BAD_TIME,
	 "$.timestamp_ms"}, /* the year 10000 */
	{"{" ID SUBJECT TEN "\"timestamp_ms\":99999999999999999999," END, FAULT_BAD_TIME,
	 "$.timestamp_ms"},
	{"{" ID SUBJECT TEN "\"occurredAt\":\"2026-01-03T03:04:06.000001Z\"," END,
	 FAULT_FUTURE_TIME, "$.occurredAt"},
	{"{" ID SUBJECT TEN "\"time\":\"9999-12-31T23:59:59Z\"," END, FAULT_FUTURE_TIME, "$.time"},
	{"{" ID SUBJECT TEN "\"occurredAt\":1767409446001," END, FAULT_FUTURE_TIME, "$.occurredAt"},
};

START_TEST(test_refused)
{
	char place[FAULT_PLACE_MAX];

	ck_assert_int_eq(read_text(refused[_i].text), -EINVAL);
	ck_assert_str_eq(fault_name(fault.code), fault_name(refused[_i].code));
	fault_place(&fault, place);
	ck_assert_str_eq(place, refused[_i].place);
	ck_assert_ptr_nonnull(fault.what);
}
END_TEST

static const struct {
	const char *text;
	struct expected want; /* only the members that are set */
} accepted[] = {
	{"{\"id\":\"" LONG_ID "\"," SUBJECT TEN TIME END, {.dedupe_key = LONG_ID}},
	{"{\"id\":\"\\u0065vt_" ULID_A "\"," SUBJECT TEN TIME END, {.dedupe_key = ULID_A}},
	{"{\"\\u0069d\":\"evt_" ULID_A "\"," SUBJECT TEN TIME END, {.dedupe_key = ULID_A}},
	{"{\"id\":7,\"envelope\":{\"eventId\":\"x\"}," SUBJECT TEN TIME END, {.event_id = "x"}},
	{"{\"\\u0065nvelope\":{\"event\\u0049d\":\"x\"}," SUBJECT TEN TIME END, {.event_id = "x"}},
	{"{\"eventId\":\"first\",\"id\":\"second\"," SUBJECT TEN TIME END, {.event_id = "first"}},
	{"{\"id\":\"\xd8\xa2\xd8\xb2\"," SUBJECT TEN TIME END, {.event_id = "\xd8\xa2\xd8\xb2"}},
	{"{" ID "\"type\":\"x\",\"subject\":\"melmastoon.a.b.c.v12\"," TEN TIME END,
	 {.subject = "melmastoon.a.b.c.v12", .aggregate_type = "b"}},
	{"{" ID "\"subject\":\"melmastoon.new.v2.x_1.v0\"," TEN TIME END,
	 {.subject = "melmastoon.new.v2.x_1.v0", .domain = "new", .aggregate_type = "v2"}},
	{"{" ID SUBJECT "\"tenantId\":\"t_01hz0000000000000000000001\"," TIME END,
	 {.tenant_id = TENANT}},
	{"{" ID SUBJECT "\"tenantId\":null,\"tenantid\":\"" TENANT "\"," TIME END,
	 {.tenant_id = TENANT}},
	{"{" ID "\"subject\":\"melmastoon.iam.user.erased.v1\",\"tenantId\":null," TIME END,
	 {.tenant_id = EVENT_PLATFORM}},
	{"{" ID "\"subject\":\"melmastoon.analytics.etl.started.v1\",\"tenantId\":null," TIME END,
	 {.tenant_id = EVENT_PLATFORM}},
	{"{" ID "\"subject\":\"melmastoon.analytics.etl.started.v1\"," TIME END,
	 {.tenant_id = EVENT_PLATFORM}},
	{"{" ID
	 "\"subject\":\"melmastoon.analytics.etl.started.v1\",\"tenantId\":\"_platform\"," TIME END,
	 {.tenant_id = EVENT_PLATFORM}},
	{"{" ID "\"subject\":\"melmastoon.bff.consumer.x.v1\",\"tenantId\":\"" TENANT
	 "\"," TIME END,
	 {.tenant_id = TENANT}},
	{"{" ID SUBJECT TEN "\"occurredAt\":\"2026-01-03T03:04:06Z\"," END, /* 24 h ahead */
	 {.occurred_at_us = T0 + 86401 * SECOND}},
	{"{" ID SUBJECT TEN "\"occurredAt\":\"0001-01-01T00:00:00Z\"," END,
	 {.occurred_at_us = INT64_C(-62135596800) * SECOND}},
	{"{" ID SUBJECT TEN "\"occurredAt\":-1," END, {.occurred_at_us = -1000}},
	{"{" ID SUBJECT TEN "\"occurredAt\":\"soon\",\"time\":\"" T0_ "\"," END,
	 {.occurred_at_us = T0}},
	{"{" ID SUBJECT TEN TIME "\"data\":7,\"payload\":null}",
	 {.payload = "7", .payload_key = "data"}},
	{"{" ID SUBJECT TEN TIME "\"data\":\"\\u0041\"}",
	 {.payload = "\"\\u0041\"", .payload_key = "data"}},
	{"{" ID SUBJECT TEN TIME "\"schemaVersion\":\"3\"," END, {.schema_version = 3}},
	{"{" ID SUBJECT TEN TIME "\"schemaVersion\":1.5,\"eventVersion\":2," END,
	 {.schema_version = 2}},
	{"{" ID SUBJECT TEN TIME "\"producer\":\"a@1@2\"," END, {.producer = "a"}},
	{"{" ID SUBJECT TEN TIME "\"producer\":\"@1\",\"source\":\"s\"," END, {.producer = "s"}},
	{"{" ID SUBJECT TEN TIME "\"aggregateId\":\"res_" ULID_B "\"," END,
	 {.aggregate_id = "rsv_" ULID_B}},
	{"{" ID SUBJECT TEN TIME "\"aggregateId\":\"a b\"," END, {.aggregate_id = "a b"}},
	{"{" ID SUBJECT TEN TIME "\"envelope\":{\"samplingRate\":1e-2}," END,
	 {.sampling_rate = 0.01}},
	{"{" ID SUBJECT TEN TIME "\"retention\":\"made_up\"," END,
	 {.retention_class = "regulated", .retention_word = "made_up"}},
	{"{" ID SUBJECT TEN TIME "\"correlationId\":\"a\\\"b\",\"traceId\":\"\\u00e9\"," END,
	 {.correlation_id = "a\"b", .traceparent = "\xc3\xa9"}},
};

#define CHECK_IF_SET(member)                               \
	do {                                               \
		if (want->member != NULL)                  \
			CHECK_SLICE(&event, want, member); \
	} while (0)

START_TEST(test_accepted)
{
	const struct expected *want = &accepted[_i].want;

	ck_assert_msg(read_text(accepted[_i].text) == 0, "%s", fault.what);
	CHECK_IF_SET(event_id);
	CHECK_IF_SET(dedupe_key);
	CHECK_IF_SET(subject);
	CHECK_IF_SET(domain);
	CHECK_IF_SET(tenant_id);
	CHECK_IF_SET(payload);
	CHECK_IF_SET(aggregate_type);
	CHECK_IF_SET(aggregate_id);
	CHECK_IF_SET(producer);
	CHECK_IF_SET(correlation_id);
	CHECK_IF_SET(traceparent);
	CHECK_IF_SET(retention_class);
	CHECK_IF_SET(retention_word);
	if (want->payload_key != NULL)
		ck_assert_str_eq(event.payload_key, want->payload_key);
	if (want->occurred_at_us != 0)
		ck_assert_int_eq(event.occurred_at_us, want->occurred_at_us);
	if (want->schema_version != 0)
		ck_assert_int_eq(event.schema_version, want->schema_version);
	if (want->sampling_rate > 0)
		ck_assert_double_eq(event.sampling_rate, want->sampling_rate);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("envelope_cases");
	TCase *tc = tcase_create("envelope_cases");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
	tcase_add_loop_test(tc, test_accepted, 0, ARRAY_SIZE(accepted));
	suite_add_tcase(s, tc);
	return unit_main(s);
}
