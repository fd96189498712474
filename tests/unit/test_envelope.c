/* envelope: every shape in every state, regions, keys and hashes; what the transport says is in
 * test_envelope_transport.c, what is refused and accepted at the edges in test_envelope_cases.c. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/strbuf.h"
#include "common/base/timestamp.h"
#include "common/base/xalloc.h"
#include "ingestd/reading/rules.h"
#include "tests/unit/envelope_shapes.h"

#define NOW (T0 + SECOND)
#define ALL (-1)

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

/* ---- the shapes ---- */

/* Past the member ("key":value) at p. */
static const char *skip_member(const char *p)
{
	int depth = 0;

	for (; depth > 0 || (*p != ',' && *p != '}'); p++) {
		depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
		if (*p == '"')
			p = strchr(p + 1, '"');
	}
	return p;
}

/*
 * The text of a shape without its '?', in which the optional member number `which` (or ALL) is
 * left out (value NULL) or has this value instead. Returns how many optional members it has.
 */
static int variant(const char *text, int which, const char *value, struct strbuf *out)
{
	int n = 0;

	strbuf_reset(out);
	while (*text != '\0') {
		const char *end = text + 1, *member = text + 1;

		if (*text != '?') {
			if (*text == '"')
				end = strchr(end, '"') + 1;
			strbuf_append(out, text, (size_t)(end - text));
			text = end;
			continue;
		}
		text++;
		if (which != ALL && which != n++)
			continue;
		for (end = skip_member(text); text < end; text++)
			n += *text == '?';
		if (value != NULL) {
			strbuf_append(out, member, (size_t)(strchr(member, ':') + 1 - member));
			strbuf_append_str(out, value);
		} else if (*text == ',') {
			text++;
		} else if (out->ptr[out->len - 1] == ',') {
			out->ptr[--out->len] = '\0';
		}
	}
	return n;
}

START_TEST(test_shape_full)
{
	struct strbuf text = STRBUF_INIT;

	(void)variant(shapes[_i].text, 1000, NULL, &text);
	ck_assert_msg(read_text(strbuf_cstr(&text)) == 0, "%s: %s", shapes[_i].name, fault.what);
	check_event(&event, &shapes[_i].full);
	strbuf_clear(&text);
}
END_TEST

START_TEST(test_shape_bare)
{
	static const char *const values[] = {NULL, "null"};
	const struct expected *full = &shapes[_i].full;
	struct strbuf text = STRBUF_INIT;
	struct expected bare = {
		.event_id = full->event_id,
		.dedupe_key = full->dedupe_key,
		.subject = full->subject,
		.domain = full->domain,
		.tenant_id = full->tenant_id,
		.occurred_at_us = full->occurred_at_us,
		.aggregate_type = shapes[_i].bare_type,
		.schema_version = full->subject[strlen(full->subject) - 1] - '0',
		.retention_class = "operational",
	};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		(void)variant(shapes[_i].text, ALL, values[i], &text);
		ck_assert_int_eq(read_text(strbuf_cstr(&text)), 0);
		check_event(&event, &bare);
	}
	strbuf_clear(&text);
}
END_TEST

/* Null is the same as absent, member by member; and nothing optional, however wrong, can keep an
 * event from landing. */
START_TEST(test_shape_members)
{
	static const char *const wrong[] = {
		"7",
		"-7.5e2",
		"true",
		"[]",
		"{}",
		"[{\"id\":\"x\"}]",
		"\"\"",
		"\"\\u0001\"",
		"\"melmastoon\"",
		"\"\\u00e9\\ud83d\\ude00\"",
	};
	const struct expected *full = &shapes[_i].full;
	struct strbuf text = STRBUF_INIT, null_text = STRBUF_INIT;
	char too_long[2003];
	int n = variant(shapes[_i].text, 1000, NULL, &text);

	memset(too_long, 'x', sizeof(too_long));
	too_long[0] = too_long[2001] = '"';
	too_long[2002] = '\0';
	ck_assert_int_gt(n, 5);
	for (int i = 0; i < n; i++) {
		(void)variant(shapes[_i].text, i, NULL, &text);
		ck_assert_int_eq(read_text(strbuf_cstr(&text)), 0);
		(void)variant(shapes[_i].text, i, "null", &null_text);
		ck_assert_int_eq(
			envelope_read(reader, strbuf_slice(&null_text), NULL, NOW, &other, &fault),
			0);
		ck_assert_mem_eq(event.content_hash, other.content_hash, HASH_SHA256_LEN);
		ck_assert(slice_eq(event.dedupe_key, other.dedupe_key));
		ck_assert(slice_eq(event.producer, other.producer));
		ck_assert(slice_eq(event.aggregate_id, other.aggregate_id));
		for (size_t w = 0; w <= ARRAY_SIZE(wrong); w++) {
			(void)variant(shapes[_i].text, i,
				      w < ARRAY_SIZE(wrong) ? wrong[w] : too_long, &text);
			ck_assert_msg(read_text(strbuf_cstr(&text)) == 0, "%s: %s",
				      strbuf_cstr(&text), fault.what);
			CHECK_SLICE(&event, full, event_id);
			CHECK_SLICE(&event, full, subject);
			CHECK_SLICE(&event, full, tenant_id);
			ck_assert_int_eq(event.occurred_at_us, full->occurred_at_us);
		}
	}
	strbuf_clear(&text);
	strbuf_clear(&null_text);
}
END_TEST

/* What a dead letter tells about an event that cannot land. */
START_TEST(test_refused_still_read)
{
	ck_assert_int_eq(read_text("{" ID SUBJECT "\"tenantId\":\"x\",\"producer\":\"p\"," END),
			 -EINVAL);
	ck_assert(slice_eq_str(event.event_id, "evt_" ULID_A));
	ck_assert(slice_eq_str(event.subject, "melmastoon.a.b.c.v1"));
	ck_assert(slice_eq_str(event.domain, "a"));
	ck_assert(slice_eq_str(event.producer, "p"));
	ck_assert_uint_eq(event.tenant_id.len, 0);
}
END_TEST

START_TEST(test_too_large)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_append_str(&text, "{" ID SUBJECT TEN TIME "\"payload\":\"");
	while (text.len < ENVELOPE_SIZE_MAX - 2)
		strbuf_append_char(&text, 'x');
	strbuf_append_str(&text, "\"}");
	ck_assert_int_eq(read_text(strbuf_cstr(&text)), 0);
	strbuf_append_char(&text, ' ');
	ck_assert_int_eq(read_text(strbuf_cstr(&text)), -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_TOO_LARGE);
	strbuf_clear(&text);
}
END_TEST

/* `version` is the aggregate's only beside one; the envelope's is the schema's. */
START_TEST(test_aggregate_version)
{
	ck_assert_int_eq(read_text("{" ID SUBJECT TEN TIME "\"version\":3," END), 0);
	ck_assert_int_eq(event.aggregate_version, EVENT_NO_VERSION);
	ck_assert_int_eq(read_text("{" ID SUBJECT TEN TIME
				   "\"version\":0,\"aggregate\":{\"id\":\"x\"}," END),
			 0);
	ck_assert_int_eq(event.aggregate_version, 0);
	ck_assert_int_eq(read_text("{" ID SUBJECT TEN TIME
				   "\"version\":\"3\",\"aggregate\":{\"id\":\"x\"}," END),
			 0);
	ck_assert_int_eq(event.aggregate_version, EVENT_NO_VERSION);
}
END_TEST

/* Escaped text uses up space in the event: when there is none left, the optional ones give way. */
START_TEST(test_escaped_text_runs_out)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_append_str(&text, "{" ID SUBJECT TEN TIME "\"orderingKey\":\"");
	for (int i = 0; i < 1024; i++)
		strbuf_append_str(&text, "\\u0041");
	strbuf_append_str(&text, "\",\"correlationId\":\"\\u0041\"," END);
	ck_assert_int_eq(read_text(strbuf_cstr(&text)), 0);
	ck_assert_uint_eq(event.ordering_key.len, 0);
	ck_assert(slice_eq_str(event.correlation_id, "A"));
	strbuf_clear(&text);
}
END_TEST

/* ---- regions ---- */

START_TEST(test_region)
{
	static const struct {
		const char *region, *residency;
		bool lands;
	} cases[] = {
		{"*", "\"EU\"", true},
		{"me-central1", "\"AF\"", true},
		{"AF", "\"gcp-me-central1\"", true},
		{"me-central1", "\"EU\"", false},
		{"EU", "\"gcp-asia-south1\"", false},
		{"me-central1", "null", true},
		{"me-central1", "\"moon\"", true}, /* not known to be elsewhere */
		{"moon", "\"EU\"", false},
	};
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct envelope_reader *r = envelope_reader_new(cases[i].region);
		int rc;

		/* even with another fault: such bytes are not to be kept */
		(void)snprintf(text, sizeof(text),
			       "{" ID SUBJECT TEN "%s"
			       "\"metadata\":{\"dataResidency\":%s}," END,
			       cases[i].lands ? TIME : "", cases[i].residency);
		rc = envelope_read(r, slice_of(text), NULL, NOW, &event, &fault);
		ck_assert_int_eq(rc, cases[i].lands ? 0 : -EINVAL);
		if (!cases[i].lands)
			ck_assert_int_eq(fault.code, FAULT_WRONG_REGION);
		envelope_reader_free(r);
	}
}
END_TEST

/* ---- keys and hashes ---- */

static void read_both(const char *a, const char *b)
{
	ck_assert_int_eq(read_text(a), 0);
	ck_assert_int_eq(envelope_read(reader, slice_of(b), NULL, NOW, &other, &fault), 0);
}

START_TEST(test_content_hash)
{
#define AGGREGATE "\"aggregate\":{\"type\":\"t\",\"id\":\"i\"},"
	static const char *const base = "{" ID SUBJECT TEN TIME AGGREGATE "\"version\":1," END;
	static const struct {
		const char *text;
		bool same;
	} others[] = {
		/* what is not content */
		{"{" TIME TEN SUBJECT AGGREGATE
		 "\"version\":1,\"correlationId\":\"c\",\"eventId\":\"x\","
		 "\"new\":1," END,
		 true},
		{"{" ID SUBJECT TEN "\"occurredAt\":\"2026-01-02T04:04:05.000+01:00\"," AGGREGATE
		 "\"version\":1,\"data\":{ } }",
		 true},
		{"{" ID SUBJECT "\"tenantid\":\"t_01hz0000000000000000000001\"," TIME AGGREGATE
		 "\"version\":1," END,
		 true},
		/* what is */
		{"{" ID "\"subject\":\"melmastoon.a.b.d.v1\"," TEN TIME AGGREGATE
		 "\"version\":1," END,
		 false},
		{"{" ID SUBJECT "\"tenantId\":\"tnt_01HZ0000000000000000000002\"," TIME AGGREGATE
		 "\"version\":1," END,
		 false},
		{"{" ID SUBJECT TEN "\"time\":\"2026-01-02T03:04:05.000001Z\"," AGGREGATE
		 "\"version\":1," END,
		 false},
		{"{" ID SUBJECT TEN TIME AGGREGATE "\"version\":2," END, false},
		{"{" ID SUBJECT TEN TIME AGGREGATE END, false},
		{"{" ID SUBJECT TEN TIME
		 "\"aggregate\":{\"type\":\"t\",\"id\":\"j\"},\"version\":1," END,
		 false},
		{"{" ID SUBJECT TEN TIME AGGREGATE "\"version\":1,\"payload\":{\"a\":null}}",
		 false},
		{"{" ID SUBJECT TEN TIME AGGREGATE "\"version\":1}", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		read_both(base, others[i].text);
		ck_assert_msg((memcmp(event.content_hash, other.content_hash, HASH_SHA256_LEN) ==
			       0) == others[i].same,
			      "%s", others[i].text);
	}
}
END_TEST

/* Stored hashes and keys are compared with new ones for years: these values may never change. */
START_TEST(test_frozen)
{
	struct strbuf text = STRBUF_INIT;
	char hex[2 * HASH_SHA256_LEN + 1];

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		(void)variant(shapes[i].text, 1000, NULL, &text);
		ck_assert_int_eq(read_text(strbuf_cstr(&text)), 0);
		if (slice_starts(slice_of(shapes[i].name), "E6 ")) {
			hash_hex(event.content_hash, HASH_SHA256_LEN, hex);
			ck_assert_str_eq(hex, "ed1d3aec00aec030d461743bc6bc45b8"
					      "95a72b4bf9fb48142081bac1a7c68916");
		}
		if (slice_starts(slice_of(shapes[i].name), "E10 "))
			ck_assert(slice_eq_str(event.dedupe_key, "01KDYAK3489HN71H4KN7DX75ZA"));
	}
	strbuf_clear(&text);
}
END_TEST

#define PRICING "\"subject\":\"melmastoon.pricing.quote.created.v1\","

START_TEST(test_unstable_ids)
{
	char first_key[ULID_LEN + 1];

	/* the same event delivered twice */
	read_both("{\"id\":\"" ULID_A "\"," PRICING TEN TIME "\"data\":{\"a\":1,\"b\":2}}",
		  "{\"id\":\"" ULID_B "\"," PRICING TEN TIME "\"data\":{\"b\":2.0,\"a\":1}}");
	ck_assert(slice_eq(event.dedupe_key, other.dedupe_key));
	ck_assert(!slice_eq(event.event_id, other.event_id));
	ck_assert_mem_eq(event.content_hash, other.content_hash, HASH_SHA256_LEN);
	ck_assert(ulid_valid(event.dedupe_key));
	/* its time is the event's */
	ulid_make(T0 / 1000, event.content_hash, first_key);
	ck_assert_mem_eq(event.dedupe_key.ptr, first_key, 10);
	/* other content, other key */
	read_both("{\"id\":\"" ULID_A "\"," PRICING TEN TIME "\"data\":{\"a\":1}}",
		  "{\"id\":\"" ULID_A "\"," PRICING TEN TIME "\"data\":{\"a\":2}}");
	ck_assert(!slice_eq(event.dedupe_key, other.dedupe_key));
	/* other producers' ids are theirs */
	ck_assert_int_eq(read_text("{" ID SUBJECT TEN TIME END), 0);
	ck_assert(slice_eq_str(event.dedupe_key, ULID_A));
}
END_TEST

START_TEST(test_subject_segments)
{
	struct slice s = SLICE_LIT("melmastoon.bff.tenant.booking.draft.created.v12");

	ck_assert(slice_eq_str(rules_subject_segment(s, 0), "melmastoon"));
	ck_assert(slice_eq_str(rules_subject_segment(s, 1), "bff"));
	ck_assert(slice_eq_str(rules_subject_segment(s, -1), "v12"));
	ck_assert(slice_eq_str(rules_subject_segment(s, -2), "created"));
	ck_assert(slice_eq_str(rules_subject_segment(s, -3), "draft"));
	ck_assert_uint_eq(rules_subject_segment(s, 7).len, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("envelope");
	TCase *tc = tcase_create("envelope");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_shape_full, 0, ARRAY_SIZE(shapes));
	tcase_add_loop_test(tc, test_shape_bare, 0, ARRAY_SIZE(shapes));
	tcase_add_loop_test(tc, test_shape_members, 0, ARRAY_SIZE(shapes));
	tcase_add_test(tc, test_refused_still_read);
	tcase_add_test(tc, test_too_large);
	tcase_add_test(tc, test_aggregate_version);
	tcase_add_test(tc, test_escaped_text_runs_out);
	tcase_add_test(tc, test_region);
	tcase_add_test(tc, test_content_hash);
	tcase_add_test(tc, test_frozen);
	tcase_add_test(tc, test_unstable_ids);
	tcase_add_test(tc, test_subject_segments);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
