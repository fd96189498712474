/* What waits: whose events land with whose. */
#include "tests/unit/unit.h"

#include "ingestd/landing/queue.h"

#define KIB 1024

static struct queue q;
static struct ingestd_config conf;
static struct ingest_metrics metrics;
static char body[64 * KIB];
static unsigned keys; /* used so far */

static void setup(void)
{
	conf = (struct ingestd_config){.landing_connections = 2,
				       .batch_bytes = 8192 * KIB,
				       .batch_events = 10000,
				       .queue_bytes = 65536 * KIB,
				       .queue_events = 100000,
				       .recent_ids = 1000};
	ingest_metrics_init(&metrics);
	queue_init(&q, &conf, &metrics);
	memset(body, 'x', sizeof(body));
}

static void land(struct batch *b)
{
	batch_settle_events(b, OUTCOME_ACCEPTED);
	queue_done(&q, b);
}

static void teardown(void)
{
	struct batch *b;

	while ((b = queue_next_quiet(&q)) != NULL || (b = queue_next(&q)) != NULL)
		land(b);
	queue_clear(&q);
}

static void on_settled(void *arg, const struct submission *s)
{
	(void)arg;
	ck_assert_uint_eq(s->open, 0);
}

/* n events so large. */
static void add(struct submission *s, const char *tenant, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++) {
		char key[24];
		struct event ev;

		(void)snprintf(key, sizeof(key), "k%u", keys++);
		ev = (struct event){
			.event_id = slice_of(key),
			.dedupe_key = slice_of(key),
			.subject = SLICE_LIT("melmastoon.reservation.confirmed.v1"),
			.domain = SLICE_LIT("reservation"),
			.tenant_id = slice_of(tenant),
			.retention_class = SLICE_LIT("regulated"),
			.published_at_us = EVENT_NO_TIME,
			.aggregate_version = EVENT_NO_VERSION,
			.schema_version = 1,
			.sampling_rate = 1,
			.payload_key = "payload",
		};
		queue_add_event(&q, s, (uint32_t)i, &ev, (struct slice){body, size},
				(struct slice){NULL, 0}, 1);
	}
}

static void request(const char *tenant, size_t n, size_t size)
{
	struct submission *s = submission_new(on_settled, NULL);

	add(s, tenant, n, size);
	queue_take(&q, s);
	submission_seal(s);
}

/* How many events of the tenant the batch has; of everybody for NULL. */
static size_t events_of(const struct batch *b, const char *tenant)
{
	size_t n = 0;

	for (size_t i = 0; b != NULL && i < b->ndeltas; i++) {
		if (tenant == NULL || slice_eq_str(b->deltas[i].tenant_id, tenant))
			n += (size_t)b->deltas[i].events;
	}
	return n;
}

START_TEST(test_who_has_little_lands_beside_who_has_much)
{
	struct batch *quiet, *flood;
	size_t flooded = 0;

	request("tnt_flood", 40, 8 * KIB);
	request("tnt_A", 1, KIB);
	request("tnt_B", 2, KIB);
	ck_assert(queue_has_quiet(&q));
	quiet = queue_next_quiet(&q);
	ck_assert_uint_eq(events_of(quiet, "tnt_A"), 1);
	ck_assert_uint_eq(events_of(quiet, "tnt_B"), 2);
	ck_assert_uint_eq(events_of(quiet, NULL), 3);
	ck_assert_ptr_null(queue_next_quiet(&q));
	land(quiet);
	while (flooded < 40) { /* in small batches */
		flood = queue_next(&q);
		ck_assert_uint_lt(events_of(flood, NULL), 40);
		flooded += events_of(flood, "tnt_flood");
		land(flood);
	}
	ck_assert_ptr_null(queue_next(&q));
}
END_TEST

START_TEST(test_nobody_is_quiet_while_all_have_little)
{
	struct batch *b;

	request("tnt_A", 60, KIB);
	request("tnt_B", 1, KIB);
	ck_assert_ptr_null(queue_next_quiet(&q));
	ck_assert(!queue_has_quiet(&q));
	b = queue_next(&q);
	ck_assert_uint_eq(events_of(b, NULL), 61);
	land(b);
}
END_TEST

/* Each of forty has a fortieth: they share a batch, and its commit. */
START_TEST(test_nobody_is_quiet_where_all_have_alike)
{
	struct batch *b;

	for (int i = 0; i < 40; i++) {
		char tenant[16];

		(void)snprintf(tenant, sizeof(tenant), "tnt_%d", i);
		request(tenant, 20, 8 * KIB);
	}
	ck_assert_ptr_null(queue_next_quiet(&q));
	b = queue_next(&q);
	ck_assert_uint_gt(events_of(b, NULL), 100);
	land(b);
}
END_TEST

START_TEST(test_a_request_of_both_is_not_quiet)
{
	struct submission *s = submission_new(on_settled, NULL);
	struct batch *b;

	request("tnt_flood", 40, 8 * KIB);
	add(s, "tnt_A", 1, KIB);
	add(s, "tnt_flood", 1, KIB);
	queue_take(&q, s);
	submission_seal(s);
	ck_assert_ptr_null(queue_next_quiet(&q));
	b = queue_next(&q);
	ck_assert_uint_eq(events_of(b, NULL), 42);
	land(b);
}
END_TEST

START_TEST(test_who_sends_more_is_quiet_no_longer)
{
	struct batch *b;

	request("tnt_flood", 40, 8 * KIB);
	request("tnt_A", 40, 8 * KIB);
	ck_assert_ptr_null(queue_next_quiet(&q));
	b = queue_next(&q);
	ck_assert_uint_eq(events_of(b, NULL), 80);
	land(b);
}
END_TEST

/* Who fills the queue alone is not kept waiting by many who each have little. */
START_TEST(test_a_crowd_of_quiet_ones_takes_turns)
{
	struct batch *b;

	for (int i = 0; i < 32; i++)
		request("tnt_flood", 32, 8 * KIB);
	for (int i = 0; i < 64; i++) {
		char tenant[16];

		(void)snprintf(tenant, sizeof(tenant), "tnt_%d", i);
		request(tenant, 2, 8 * KIB);
	}
	b = queue_next(&q);
	ck_assert_uint_eq(events_of(b, "tnt_0"), 2);
	ck_assert_uint_gt(events_of(b, "tnt_flood"), 0);
	ck_assert_uint_lt(events_of(b, "tnt_flood"), 32);
	land(b);
}
END_TEST

START_TEST(test_one_connection_is_for_all)
{
	struct batch *b;

	conf.landing_connections = 1;
	request("tnt_flood", 40, 8 * KIB);
	request("tnt_A", 1, KIB);
	ck_assert_ptr_null(queue_next_quiet(&q));
	b = queue_next(&q);
	ck_assert_uint_eq(events_of(b, NULL), 41);
	land(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue");
	TCase *t = tcase_create("queue");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_who_has_little_lands_beside_who_has_much);
	tcase_add_test(t, test_nobody_is_quiet_while_all_have_little);
	tcase_add_test(t, test_nobody_is_quiet_where_all_have_alike);
	tcase_add_test(t, test_a_request_of_both_is_not_quiet);
	tcase_add_test(t, test_who_sends_more_is_quiet_no_longer);
	tcase_add_test(t, test_a_crowd_of_quiet_ones_takes_turns);
	tcase_add_test(t, test_one_connection_is_for_all);
	suite_add_tcase(s, t);
	return unit_main(s);
}
