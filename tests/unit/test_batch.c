/* Batches: COPY streams that can be sent again, split, and settled item by item. */
#include "tests/unit/unit.h"

#include "ingestd/landing/batch.h"

#define HEADER_LEN  19
#define TRAILER_LEN 2

struct seen {
	size_t counts[OUTCOME_COUNT], nerrors;
	int calls;
	bool failed;
};

static void on_done(void *arg, const struct submission *s)
{
	struct seen *seen = arg;

	memcpy(seen->counts, s->counts, sizeof(seen->counts));
	seen->nerrors = s->nerrors;
	seen->failed = s->failed;
	seen->calls++;
}

static void add_subject(struct batch *b, struct submission *s, uint32_t i, const char *tenant,
			const char *key, const char *subject)
{
	static struct event ev;

	ev = (struct event){
		.event_id = slice_of(key),
		.dedupe_key = slice_of(key),
		.subject = slice_of(subject),
		.domain = SLICE_LIT("reservation"),
		.tenant_id = slice_of(tenant),
		.retention_class = SLICE_LIT("regulated"),
		.published_at_us = EVENT_NO_TIME,
		.aggregate_version = EVENT_NO_VERSION,
		.schema_version = 1,
		.sampling_rate = 1,
		.payload_key = "payload",
	};
	batch_add_event(b, s, i, &ev, SLICE_LIT("{\"a\":1}"), (struct slice){NULL, 0}, 1);
}

static void add(struct batch *b, struct submission *s, uint32_t i, const char *tenant,
		const char *key)
{
	add_subject(b, s, i, tenant, key, "melmastoon.reservation.confirmed.v1");
}

START_TEST(test_stream_can_be_sent_again)
{
	struct seen seen = {{0}, 0, 0, false};
	struct submission *s = submission_new(on_done, &seen);
	struct batch *b = batch_new(false, 1 << 20);
	struct slice first, second;
	char *copy;

	add(b, s, 0, "tnt_A", "k1");
	first = batch_event_stream(b);
	copy = malloc(first.len);
	memcpy(copy, first.ptr, first.len);
	second = batch_event_stream(b);
	ck_assert_uint_eq(first.len, second.len);
	ck_assert_mem_eq(copy, second.ptr, second.len);
	ck_assert_mem_eq(second.ptr + second.len - TRAILER_LEN, "\xff\xff", TRAILER_LEN);
	free(copy);
	submission_seal(s);
	ck_assert_int_eq(seen.calls, 0);
	batch_settle_events(b, OUTCOME_ACCEPTED);
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_uint_eq(seen.counts[OUTCOME_ACCEPTED], 1);
	batch_free(b);
}
END_TEST

START_TEST(test_events_that_ask_for_a_job)
{
	struct seen seen = {{0}, 0, 0, false};
	struct submission *s = submission_new(on_done, &seen);
	struct batch *b = batch_new(false, 1 << 20), *half;
	struct strbuf out = STRBUF_INIT;

	add(b, s, 0, "tnt_A", "k1");
	ck_assert_uint_eq(batch_control_stream(b, &out), 0);
	ck_assert_uint_eq(out.len, HEADER_LEN + TRAILER_LEN);
	add_subject(b, s, 1, "tnt_B", "k2", "melmastoon.ai.forecast.produced.v1");
	strbuf_reset(&out);
	ck_assert_uint_eq(batch_control_stream(b, &out), 1);
	ck_assert_ptr_nonnull(
		memmem(out.ptr, out.len, "\0\0\0\5tnt_B\0\0\0\2k2\0\0\0\10forecast", 27));
	half = batch_split(b);
	strbuf_reset(&out);
	ck_assert_uint_eq(batch_control_stream(b, &out), 0);
	ck_assert_uint_eq(batch_control_stream(half, &out), 1);
	strbuf_clear(&out);
	submission_seal(s);
	batch_settle_events(b, OUTCOME_ACCEPTED);
	batch_settle_events(half, OUTCOME_ACCEPTED);
	batch_free(b);
	batch_free(half);
}
END_TEST

START_TEST(test_deltas_count_by_tenant_and_bound_keys)
{
	struct seen seen = {{0}, 0, 0, false};
	struct submission *s = submission_new(on_done, &seen);
	struct batch *b = batch_new(false, 1 << 20);

	add(b, s, 0, "tnt_A", "k2");
	add(b, s, 1, "tnt_B", "k5");
	add(b, s, 2, "tnt_A", "k1");
	add(b, s, 3, "tnt_A", "k10");
	ck_assert_uint_eq(b->ndeltas, 2);
	ck_assert_int_eq(b->deltas[0].events, 3);
	ck_assert(slice_eq_str(b->deltas[0].key_lo, "k1"));
	ck_assert(slice_eq_str(b->deltas[0].key_hi, "k2"));
	ck_assert_int_eq(b->deltas[1].events, 1);
	submission_seal(s);
	batch_settle_failed(b);
	ck_assert(seen.failed);
	batch_free(b);
}
END_TEST

START_TEST(test_split_halves_rows_and_deltas)
{
	struct seen seen = {{0}, 0, 0, false};
	struct submission *s = submission_new(on_done, &seen);
	struct batch *b = batch_new(false, 1 << 20), *half;
	size_t rows;
	const char *expected = "\0\0\0\x08\0\0\0\0\0\0\0\x09"; /* length, then batch 9 */

	for (uint32_t i = 0; i < 5; i++)
		add(b, s, i, i < 3 ? "tnt_A" : "tnt_B", "01J0000000000000000000000A");
	rows = b->rows.len - HEADER_LEN;
	half = batch_split(b);
	batch_assign_id(half, 9);
	ck_assert_uint_eq(b->nitems + half->nitems, 5);
	ck_assert_uint_eq(b->rows.len + half->rows.len - 2 * HEADER_LEN, rows);
	ck_assert_int_eq(b->deltas[0].events, 2);
	ck_assert_int_eq(half->deltas[0].events, 1);
	ck_assert_int_eq(half->deltas[1].events, 2);
	ck_assert_mem_eq(half->rows.ptr + half->items[0].row + half->items[0].batch_id_at - 4,
			 expected, 12);
	submission_seal(s);
	batch_settle_events(b, OUTCOME_ACCEPTED);
	batch_settle_events(half, OUTCOME_DUPLICATE);
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_uint_eq(seen.counts[OUTCOME_ACCEPTED], 2);
	ck_assert_uint_eq(seen.counts[OUTCOME_DUPLICATE], 3);
	batch_free(b);
	batch_free(half);
}
END_TEST

START_TEST(test_refused_event_becomes_a_dead_letter)
{
	struct seen seen = {{0}, 0, 0, false};
	struct submission *s = submission_new(on_done, &seen);
	struct batch *b = batch_new(false, 1 << 20);

	add(b, s, 4, "tnt_A", "k1");
	submission_seal(s);
	batch_refuse_only(b, "numeric value out of range");
	ck_assert_uint_eq(b->nitems, 0);
	ck_assert_uint_eq(b->ndead, 1);
	ck_assert_ptr_nonnull(memmem(b->dead.ptr, b->dead.len, "{\"a\":1}", 7));
	ck_assert_ptr_nonnull(memmem(b->dead.ptr, b->dead.len, "tnt_A", 5));
	batch_settle_dead(b);
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_uint_eq(seen.counts[OUTCOME_DEAD_LETTER], 1);
	ck_assert_uint_eq(seen.nerrors, 1);
	batch_free(b);
}
END_TEST

static int64_t be64(const char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | (unsigned char)p[i];
	return (int64_t)v;
}

START_TEST(test_absorbed_batches_land_as_one)
{
	struct seen seen = {{0}, 0, 0, false};
	struct submission *s = submission_new(on_done, &seen);
	struct batch *b = batch_new(false, 1 << 20), *one = batch_new(false, 1 << 20),
		     *other = batch_new(false, 1 << 20);
	const struct dead_letter d = {.reason = "bad",
				      .severity = "warning",
				      .source = "events",
				      .place = SLICE_LIT("here"),
				      .body = SLICE_LIT("x")};

	add(one, s, 0, "tnt_A", "k5");
	add(other, s, 1, "tnt_A", "k3");
	add(other, s, 2, "tnt_A", "k4");
	batch_add_dead_letter(other, s, 3, &d);
	batch_absorb(b, one);
	batch_absorb(b, other);
	batch_assign_id(b, 77);
	ck_assert_uint_eq(b->nitems, 3);
	ck_assert_uint_eq(b->ndead, 1);
	ck_assert_uint_eq(b->ndeltas, 1);
	ck_assert_int_eq(b->deltas[0].events, 3);
	ck_assert(slice_eq_str(b->deltas[0].key_lo, "k3"));
	ck_assert(slice_eq_str(b->deltas[0].key_hi, "k5"));
	ck_assert_uint_eq(b->items[0].row, HEADER_LEN);
	for (size_t i = 0; i < b->nitems; i++) {
		const struct batch_item *item = &b->items[i];

		ck_assert_int_eq(be64(b->rows.ptr + item->row + item->batch_id_at), 77);
		if (i > 0)
			ck_assert_uint_eq(item->row, item[-1].row + item[-1].row_len);
	}
	ck_assert_uint_eq(b->rows.len, b->items[2].row + b->items[2].row_len);
	submission_seal(s);
	batch_settle_events(b, OUTCOME_ACCEPTED);
	ck_assert_int_eq(b->deltas[0].outcomes[OUTCOME_ACCEPTED], 3);
	batch_settle_dead(b);
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_uint_eq(seen.counts[OUTCOME_ACCEPTED], 3);
	ck_assert_uint_eq(seen.counts[OUTCOME_DEAD_LETTER], 1);
	batch_free(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("batch");
	TCase *t = tcase_create("batch");

	tcase_add_test(t, test_stream_can_be_sent_again);
	tcase_add_test(t, test_events_that_ask_for_a_job);
	tcase_add_test(t, test_deltas_count_by_tenant_and_bound_keys);
	tcase_add_test(t, test_split_halves_rows_and_deltas);
	tcase_add_test(t, test_absorbed_batches_land_as_one);
	tcase_add_test(t, test_refused_event_becomes_a_dead_letter);
	suite_add_tcase(s, t);
	return unit_main(s);
}
