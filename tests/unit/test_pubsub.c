/* pubsub: a push body as documented, its other spellings, and what is not one. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/arena.h"
#include "common/base/strbuf.h"
#include "ingestd/reading/pubsub.h"

static struct scan_scratch scratch;
static struct arena *arena;
static struct pubsub_message message;
static struct fault fault;

static void setup(void)
{
	arena = arena_new();
	scan_scratch_init(&scratch, 3);
	memset(&message, 0x55, sizeof(message));
	fault = (struct fault){.code = FAULT_NONE};
}

static void teardown(void)
{
	arena_free(arena);
}

static int read_body(const char *body)
{
	return pubsub_read(slice_of(body), arena, &scratch, &message, &fault);
}

static struct slice attribute(const char *name)
{
	for (size_t i = 0; i < message.transport.nattributes; i++)
		if (slice_eq_str(message.transport.attributes[i].name, name))
			return message.transport.attributes[i].value;
	return (struct slice){NULL, 0};
}

START_TEST(test_documented)
{
	ck_assert_int_eq(
		read_body("{\"message\":{\"attributes\":{\"eventType\":\"melmastoon.tenant.deleted."
			  "v1\","
			  "\"tenantId\":\"7f3a\"},\"data\":\"eyJhIjoxfQ==\",\"messageId\":"
			  "\"2070443601311540\","
			  "\"message_id\":\"2\",\"publishTime\":\"2026-01-01T00:00:00.123Z\","
			  "\"publish_time\":\"x\",\"orderingKey\":\"7f3a\"},\"subscription\":"
			  "\"projects/p/subscriptions/s\",\"deliveryAttempt\":5}"),
		0);
	ck_assert(slice_eq_str(message.data, "{\"a\":1}"));
	ck_assert_uint_eq(message.transport.nattributes, 2);
	ck_assert(slice_eq_str(attribute("eventType"), "melmastoon.tenant.deleted.v1"));
	ck_assert(slice_eq_str(attribute("tenantId"), "7f3a"));
	ck_assert(slice_eq_str(message.transport.message_id, "2070443601311540"));
	ck_assert(slice_eq_str(message.transport.publish_time, "2026-01-01T00:00:00.123Z"));
	ck_assert(slice_eq_str(message.transport.ordering_key, "7f3a"));
	ck_assert(slice_eq_str(message.subscription, "projects/p/subscriptions/s"));
	ck_assert_int_eq(message.delivery_attempt, 5);
	ck_assert_uint_eq(message.ack_id.len, 0);
}
END_TEST

START_TEST(test_snake_case)
{
	ck_assert_int_eq(
		read_body("{\"ackId\":\"a-1\",\"message\":{\"data\":\"\",\"message_id\":\"1\","
			  "\"publish_time\":\"t\",\"ordering_key\":\"k\"}}"),
		0);
	ck_assert(slice_eq_str(message.transport.message_id, "1"));
	ck_assert(slice_eq_str(message.transport.publish_time, "t"));
	ck_assert(slice_eq_str(message.transport.ordering_key, "k"));
	ck_assert(slice_eq_str(message.ack_id, "a-1"));
	ck_assert_uint_eq(message.data.len, 0);
}
END_TEST

START_TEST(test_least)
{
	static const char *const bodies[] = {
		"{\"message\":{}}",
		"{\"message\":{\"data\":null,\"attributes\":null},\"deliveryAttempt\":null}",
		"{\"message\":{\"messageId\":null},\"subscription\":null}",
		"{\"message\":{\"messageId\":7,\"attributes\":{}},\"deliveryAttempt\":\"5\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		ck_assert_int_eq(read_body(bodies[i]), 0);
		ck_assert_uint_eq(message.data.len + message.transport.nattributes, 0);
		ck_assert_uint_eq(message.transport.message_id.len, 0);
		ck_assert_int_eq(message.delivery_attempt, 0);
	}
}
END_TEST

START_TEST(test_escapes)
{
	/* some encoders escape the slash, which is a base64 digit */
	ck_assert_int_eq(read_body("{\"m\\u0065ssage\":{\"data\":\"\\/\\/\\/\\/\",\"attributes\":"
				   "{\"k\\u00e9y\":\"a\\\"b\",\"n\":7,\"o\":null}}}"),
			 0);
	ck_assert(slice_eq(message.data, SLICE_LIT("\xff\xff\xff")));
	ck_assert(slice_eq_str(attribute("k\xc3\xa9y"), "a\"b"));
	ck_assert_uint_eq(attribute("n").len + attribute("o").len, 0);
}
END_TEST

static const struct {
	const char *body;
	enum fault_code code;
	const char *place;
} refused[] = {
	{"", FAULT_INVALID_JSON, "byte 0"},
	{"{\"message\":{}", FAULT_INVALID_JSON, "byte 13"},
	{"{\"message\":{\"data\":\"a\",\"data\":\"b\"}}", FAULT_DUPLICATE_KEY, "byte 24"},
	{"[]", FAULT_BAD_MESSAGE, "$.message"},
	{"{}", FAULT_BAD_MESSAGE, "$.message"},
	{"{\"message\":null}", FAULT_BAD_MESSAGE, "$.message"},
	{"{\"message\":\"x\"}", FAULT_BAD_MESSAGE, "$.message"},
	{"{\"Message\":{}}", FAULT_BAD_MESSAGE, "$.message"},
	{"{\"id\":\"1\",\"payload\":{\"message\":{}}}", FAULT_BAD_MESSAGE, "$.message"},
	{"{\"message\":{\"data\":7}}", FAULT_BAD_MESSAGE, "$.message.data"},
	{"{\"message\":{\"data\":{\"a\":1}}}", FAULT_BAD_MESSAGE, "$.message.data"},
	{"{\"message\":{\"data\":\"eyJhIjoxfQ\"}}", FAULT_BAD_MESSAGE, "$.message.data"},
	{"{\"message\":{\"data\":\"eyJh Ijox\"}}", FAULT_BAD_MESSAGE, "$.message.data"},
	{"{\"message\":{\"data\":\"__--\"}}", FAULT_BAD_MESSAGE, "$.message.data"},
	{"{\"message\":{\"data\":\"====\"}}", FAULT_BAD_MESSAGE, "$.message.data"},
	{"{\"message\":{\"attributes\":[]}}", FAULT_BAD_MESSAGE, "$.message.attributes"},
	{"{\"message\":{\"attributes\":\"x\"}}", FAULT_BAD_MESSAGE, "$.message.attributes"},
};

START_TEST(test_refused)
{
	char place[FAULT_PLACE_MAX];

	ck_assert_int_eq(read_body(refused[_i].body), -EINVAL);
	ck_assert_str_eq(fault_name(fault.code), fault_name(refused[_i].code));
	fault_place(&fault, place);
	ck_assert_str_eq(place, refused[_i].place);
}
END_TEST

START_TEST(test_sizes)
{
	struct strbuf body = STRBUF_INIT;

	/* more attributes than are indexed */
	strbuf_append_str(&body, "{\"message\":{\"attributes\":{");
	for (int i = 0; i <= SCAN_MEMBERS_MAX; i++)
		strbuf_appendf(&body, "%s\"%d\":\"x\"", i > 0 ? "," : "", i);
	strbuf_append_str(&body, "}}}");
	ck_assert_int_eq(read_body(strbuf_cstr(&body)), -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_BAD_MESSAGE);
	/* the largest message */
	strbuf_reset(&body);
	strbuf_append_str(&body, "{\"message\":{\"data\":\"");
	for (size_t i = 0; i < 10 * 1024 * 1024 / 3; i++)
		strbuf_append(&body, "eHh4", 4);
	strbuf_append_str(&body, "\"}}");
	ck_assert_int_eq(read_body(strbuf_cstr(&body)), 0);
	ck_assert_uint_eq(message.data.len, 10 * 1024 * 1024 / 3 * 3);
	ck_assert_mem_eq(message.data.ptr + message.data.len - 3, "xxx", 3);
	/* and one byte beyond what is read at all */
	while (body.len <= PUBSUB_BODY_MAX)
		strbuf_append(&body, "        ", 8);
	ck_assert_int_eq(read_body(strbuf_cstr(&body)), -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_TOO_LARGE);
	strbuf_clear(&body);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pubsub");
	TCase *tc = tcase_create("pubsub");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_documented);
	tcase_add_test(tc, test_snake_case);
	tcase_add_test(tc, test_least);
	tcase_add_test(tc, test_escapes);
	tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
	tcase_add_test(tc, test_sizes);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
