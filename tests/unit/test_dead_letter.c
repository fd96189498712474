/* The words after `ingestd dead-letter`, what a replay needs of a transport, and the small sets
 * that send an event the careful way. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/arena.h"
#include "ingestd/landing/control.h"
#include "ingestd/landing/dead_letter.h"
#include "ingestd/landing/tombstones.h"
#include "ingestd/letter/dead_letter_query.h"
#include "ingestd/reading/transport_record.h"

#define NOW_US INT64_C(1772359200000000) /* 2026-03-01T10:00:00Z */
#define ID     "dlq_01HV0000000000000000000000"

static int parse(struct dead_letter_query *q, struct err *e, int argc, const char **words)
{
	return dead_letter_query_parse(argc, (char **)(uintptr_t)words, NOW_US, q, e);
}
#define PARSE(q, e, ...)                                                                 \
	parse(q, e, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)), \
	      (const char *[]){__VA_ARGS__})

START_TEST(test_filters)
{
	struct dead_letter_query q;
	struct err e = ERR_INIT;
	const char *params[DEAD_LETTER_PARAMS];

	ck_assert_int_eq(PARSE(&q, &e, "replay", "--since", "2h", "--until", "2026-03-01",
			       "--dry-run", "--reason", "conflict", ID, ID),
			 0);
	dead_letter_query_params(&q, params);
	ck_assert_int_eq(q.verb, DEAD_LETTER_REPLAY);
	ck_assert(q.dry_run && !q.json && !q.all);
	ck_assert_str_eq(params[0], "conflict");
	ck_assert_ptr_null(params[1]);
	ck_assert_ptr_null(params[2]);
	ck_assert_str_eq(params[3], "2026-03-01T08:00:00Z");
	ck_assert_str_eq(params[4], "2026-03-01T00:00:00Z");
	ck_assert_str_eq(params[5], "{" ID "," ID "}");
	dead_letter_query_clear(&q);

	ck_assert_int_eq(PARSE(&q, &e, "list"), 0);
	dead_letter_query_params(&q, params);
	for (int i = 0; i < DEAD_LETTER_PARAMS; i++)
		ck_assert_ptr_null(params[i]);
	ck_assert_str_eq(q.limit, "100");
	dead_letter_query_clear(&q);
}
END_TEST

START_TEST(test_nothing_is_changed_by_accident)
{
	struct dead_letter_query q;
	struct err e = ERR_INIT;

	ck_assert_int_eq(PARSE(&q, &e, "acknowledge"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "--all"));
	dead_letter_query_clear(&q);
	ck_assert_int_eq(PARSE(&q, &e, "acknowledge", "--json"), -EINVAL);
	dead_letter_query_clear(&q);
	ck_assert_int_eq(PARSE(&q, &e, "acknowledge", "--all"), 0);
	dead_letter_query_clear(&q);
	ck_assert_int_eq(PARSE(&q, &e, "replay", "--raw", ID), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "replay has no option '--raw'"));
	dead_letter_query_clear(&q);
	ck_assert_int_eq(PARSE(&q, &e, "replay", "d"), -EINVAL); /* shorter than an id's prefix */
	dead_letter_query_clear(&q);
	ck_assert_int_eq(PARSE(&q, &e, "replay", ID ",x"), -EINVAL);
	dead_letter_query_clear(&q);
}
END_TEST

START_TEST(test_a_transport_comes_back)
{
	const struct envelope_attribute attributes[] = {
		{SLICE_INIT("tenantId"), SLICE_INIT("tnt_1")},
		{SLICE_INIT("note"), SLICE_INIT("\"quoted\"\n")},
		{SLICE_INIT("empty"), SLICE_INIT("")},
	};
	struct envelope_transport said = {.attributes = attributes,
					  .nattributes = ARRAY_SIZE(attributes),
					  .message_id = SLICE_LIT("2070443601311540"),
					  .ordering_key = SLICE_LIT("k")};
	struct arena *a = arena_new();
	struct envelope_transport back = transport_restore(transport_attributes(&said, a),
							   transport_message(&said, a), a);

	ck_assert_uint_eq(back.nattributes, ARRAY_SIZE(attributes));
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		ck_assert(slice_eq(back.attributes[i].name, attributes[i].name));
		ck_assert(slice_eq(back.attributes[i].value, attributes[i].value));
	}
	ck_assert(slice_eq(back.message_id, said.message_id));
	ck_assert(slice_eq(back.ordering_key, said.ordering_key));
	ck_assert_uint_eq(back.publish_time.len, 0);

	said = (struct envelope_transport){.attributes = NULL};
	ck_assert_uint_eq(transport_attributes(&said, a).len, 0);
	ck_assert_uint_eq(transport_message(&said, a).len, 0);
	back = transport_restore((struct slice){NULL, 0}, SLICE_LIT("not JSON"), a);
	ck_assert_uint_eq(back.nattributes + back.message_id.len, 0);
	arena_free(a);
}
END_TEST

START_TEST(test_severity)
{
	ck_assert_str_eq(dead_letter_severity(FAULT_MISSING_TENANT), "critical");
	ck_assert_str_eq(dead_letter_severity(FAULT_BAD_TIME), "warning");
}
END_TEST

/* The fingerprint is the tuple's second field, after its count and the id. */
static struct slice fingerprint(const struct strbuf *tuple)
{
	return (struct slice){tuple->ptr + 2 + 4 + 30 + 4, HASH_SHA256_LEN};
}

START_TEST(test_letters_without_bytes_are_told_apart)
{
	struct dead_letter d = {
		.reason = "wrong_region", .severity = "warning", .source = "events"};
	struct strbuf one = STRBUF_INIT, other = STRBUF_INIT, again = STRBUF_INIT;

	d.event_id = SLICE_LIT("evt_1");
	dead_letter_encode(&d, &one);
	dead_letter_encode(&d, &again);
	d.event_id = SLICE_LIT("evt_2");
	dead_letter_encode(&d, &other);
	ck_assert(slice_eq(fingerprint(&one), fingerprint(&again)));
	ck_assert(!slice_eq(fingerprint(&one), fingerprint(&other)));
	strbuf_clear(&one);
	strbuf_clear(&other);
	strbuf_clear(&again);
}
END_TEST

START_TEST(test_control_subjects)
{
	struct event ev = {.subject = SLICE_LIT("melmastoon.tenant.deleted.v1")};

	ck_assert_str_eq(control_kind(&ev), "purge");
	ck_assert(control_buries(&ev));
	ev.subject = SLICE_LIT("melmastoon.ai_orchestrator.forecast.produced.v1");
	ck_assert_str_eq(control_kind(&ev), "forecast");
	ck_assert(!control_buries(&ev));
	ev.subject = SLICE_LIT("melmastoon.tenant.created.v1");
	ck_assert_ptr_null(control_kind(&ev));
	ck_assert(!control_buries(&ev));
	ev.subject = SLICE_LIT("");
	ck_assert_ptr_null(control_kind(&ev));
}
END_TEST

START_TEST(test_tombstones)
{
	static struct tombstones t;
	char id[24];

	ck_assert(!tombstones_maybe(&t, SLICE_LIT("tnt_1")));
	tombstones_add(&t, SLICE_LIT("tnt_1"));
	ck_assert(tombstones_maybe(&t, SLICE_LIT("tnt_1")));
	ck_assert(!tombstones_maybe(&t, SLICE_LIT("tnt_2")));
	for (int i = 0; i < 10 * TOMBSTONES_SLOTS; i++) {
		(void)snprintf(id, sizeof(id), "tnt_%d", i);
		tombstones_add(&t, slice_of(id));
		ck_assert_msg(tombstones_maybe(&t, slice_of(id)), "the newest is remembered");
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dead_letter");
	TCase *t = tcase_create("dead_letter");

	tcase_add_test(t, test_filters);
	tcase_add_test(t, test_nothing_is_changed_by_accident);
	tcase_add_test(t, test_a_transport_comes_back);
	tcase_add_test(t, test_severity);
	tcase_add_test(t, test_letters_without_bytes_are_told_apart);
	tcase_add_test(t, test_control_subjects);
	tcase_add_test(t, test_tombstones);
	suite_add_tcase(s, t);
	return unit_main(s);
}
