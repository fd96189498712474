/* headers: CloudEvents attributes and Pub/Sub's metadata out of header fields. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "ingestd/reading/headers.h"

static struct headers headers;
static struct envelope_transport transport;
static struct fault fault;

static void setup(void)
{
	memset(&headers, 0, sizeof(headers));
	headers.arena = arena_new();
	fault = (struct fault){.code = FAULT_NONE};
}

static void teardown(void)
{
	arena_free(headers.arena);
}

static void attribute_is(const char *name, const char *value)
{
	for (size_t i = 0; i < transport.nattributes; i++) {
		if (!slice_eq_str(transport.attributes[i].name, name))
			continue;
		ck_assert_msg(slice_eq_str(transport.attributes[i].value, value), "%s is %.*s",
			      name, (int)transport.attributes[i].value.len,
			      transport.attributes[i].value.ptr);
		return;
	}
	ck_abort_msg("no %s", name);
}

START_TEST(test_cloud_event)
{
	headers_take(&headers, "Content-Type", "application/json");
	headers_take(&headers, "CE-SpecVersion", "1.0");
	headers_take(&headers, "ce-id", "a%20b%E2%82%ac%22");
	headers_take(&headers, "ce-anything9", "");
	headers_take(&headers, "ce-no-name", "x");
	headers_take(&headers, "ce-", "x");
	headers_take(&headers, "Authorization", "Bearer x");
	ck_assert_int_eq(headers_end(&headers, &transport, &fault), 0);
	ck_assert_uint_eq(transport.nattributes, 3);
	attribute_is("ce-specversion", "1.0");
	attribute_is("ce-id", "a b\xe2\x82\xac\"");
	attribute_is("ce-anything9", "");
	ck_assert_uint_eq(transport.message_id.len, 0);
}
END_TEST

START_TEST(test_pubsub)
{
	headers_take(&headers, "x-goog-pubsub-subscription-name", "projects/p/subscriptions/s");
	headers_take(&headers, "X-GOOG-PUBSUB-MESSAGE-ID", "17");
	headers_take(&headers, "x-goog-pubsub-publish-time", "t");
	headers_take(&headers, "x-goog-pubsub-ordering-key", "k");
	headers_take(&headers, "EVENTTYPE", "e");
	headers_take(&headers, "tenantid", "t_1");
	headers_take(&headers, "tenantId", "t_2"); /* the first counts */
	headers_take(&headers, "traceparent", "%41");
	headers_take(&headers, "unknown", "x");
	ck_assert_int_eq(headers_end(&headers, &transport, &fault), 0);
	ck_assert_uint_eq(transport.nattributes, 3);
	attribute_is("eventType", "e");
	attribute_is("tenantId", "t_1");
	attribute_is("traceparent", "%41"); /* only CloudEvents are encoded */
	ck_assert(slice_eq_str(transport.message_id, "17"));
	ck_assert(slice_eq_str(transport.publish_time, "t"));
	ck_assert(slice_eq_str(transport.ordering_key, "k"));
}
END_TEST

static const struct {
	const char *name, *first, *second; /* values of two fields, or of one */
	const char *place, *what;
} refused[] = {
	{"ce-id", "1", "1", "$.headers", "a ce-* field is there twice"},
	{"Ce-Id", "1", "2", "$.headers", "a ce-* field is there twice"},
	{"ce-id", "%", NULL, "$.headers", "a ce-* value is not percent-encoded UTF-8"},
	{"ce-id", "%4", NULL, "$.headers", "a ce-* value is not percent-encoded UTF-8"},
	{"ce-id", "%00", NULL, "$.headers", "a ce-* value is not percent-encoded UTF-8"},
	{"ce-id", "\xff", NULL, "$.headers", "a ce-* value is not percent-encoded UTF-8"},
	{"x-goog-pubsub-message-id", "1", "1", "message.messageId", "there twice"},
	{"x-goog-pubsub-publish-time", "1", "2", "message.publishTime", "there twice"},
	{"x-goog-pubsub-ordering-key", "", "", "message.orderingKey", "there twice"},
};

START_TEST(test_refused)
{
	char place[FAULT_PLACE_MAX];

	headers_take(&headers, refused[_i].name, refused[_i].first);
	if (refused[_i].second != NULL)
		headers_take(&headers, refused[_i].name, refused[_i].second);
	headers_take(&headers, "ce-type", "%zz"); /* the first fault is told */
	ck_assert_int_eq(headers_end(&headers, &transport, &fault), -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_BAD_MESSAGE);
	fault_place(&fault, place);
	ck_assert_str_eq(place, refused[_i].place);
	ck_assert_str_eq(fault.what, refused[_i].what);
}
END_TEST

START_TEST(test_too_many)
{
	char name[16];

	for (int i = 0; i <= HEADERS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "ce-x%d", i);
		headers_take(&headers, name, "1");
	}
	ck_assert_int_eq(headers_end(&headers, &transport, &fault), -EINVAL);
	ck_assert_str_eq(fault.what, "too many attributes");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("headers");
	TCase *tc = tcase_create("headers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_cloud_event);
	tcase_add_test(tc, test_pubsub);
	tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
	tcase_add_test(tc, test_too_many);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
