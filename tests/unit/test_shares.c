/* What a tenant may hold of the queue, and its rate. */
#include "tests/unit/unit.h"

#include "ingestd/landing/shares.h"

static struct shares s;
static struct shares_limits l;

static void setup(void)
{
	shares_init(&s);
	l = (struct shares_limits){.queue = {900, 90}};
}

static void teardown(void)
{
	shares_clear(&s);
}

static enum share_verdict ask(const char *tenant, size_t bytes, size_t events, int64_t now_us)
{
	struct share *one = shares_stage(&s, slice_of(tenant), &l, now_us);
	enum share_verdict v = shares_ask(&s, one, (struct share_use){bytes, events}, &l);

	if (v == SHARE_GRANTED) {
		shares_add(one, (struct share_use){bytes, events});
		shares_take(&s, &l);
	} else {
		shares_drop(&s, &l);
	}
	return v;
}

/* How many requests of this size it gets in. */
static int fill(const char *tenant, size_t bytes, size_t events)
{
	int n = 0;

	while (ask(tenant, bytes, events, 0) == SHARE_GRANTED)
		n++;
	return n;
}

START_TEST(test_one_alone_gets_two_thirds)
{
	ck_assert_int_eq(fill("tnt_A", 10, 0 + 1), 60);
	ck_assert_uint_eq(s.held.bytes, 600);
}
END_TEST

START_TEST(test_events_bound_it_too)
{
	ck_assert_int_eq(fill("tnt_A", 1, 10), 6);
}
END_TEST

START_TEST(test_who_fills_it_is_refused_not_the_others)
{
	(void)fill("tnt_flood", 10, 1);
	ck_assert_int_eq(ask("tnt_flood", 10, 1, 0), SHARE_FULL);
	ck_assert_int_eq(ask("tnt_B", 10, 1, 0), SHARE_GRANTED);
	ck_assert_int_eq(ask("tnt_C", 10, 1, 0), SHARE_GRANTED);
	ck_assert_int_eq(ask("tnt_flood", 10, 1, 0), SHARE_FULL);
	ck_assert_uint_eq(s.holders, 3);
}
END_TEST

START_TEST(test_never_more_than_the_queue)
{
	char tenant[16];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(tenant, sizeof(tenant), "tnt_%d", i);
		(void)fill(tenant, 10, 1);
	}
	ck_assert_uint_le(s.held.bytes, l.queue.bytes);
	ck_assert_uint_ge(s.held.bytes, l.queue.bytes - 20);
	ck_assert(!shares_room(&s, 20, &l));
}
END_TEST

START_TEST(test_an_empty_queue_takes_what_is_larger_than_itself)
{
	ck_assert(shares_room(&s, 5000, &l));
	ck_assert_int_eq(ask("tnt_A", 5000, 1, 0), SHARE_GRANTED);
	ck_assert(!shares_room(&s, 1, &l));
	ck_assert_int_eq(ask("tnt_B", 1, 1, 0), SHARE_FULL);
}
END_TEST

START_TEST(test_returned_is_free_again)
{
	struct share *one = shares_stage(&s, SLICE_LIT("tnt_A"), &l, 0);

	shares_add(one, (struct share_use){800, 4});
	shares_take(&s, &l);
	ck_assert_int_eq(ask("tnt_A", 10, 1, 0), SHARE_FULL);
	shares_return(&s, one, (struct share_use){500, 2}, &l);
	ck_assert_int_eq(ask("tnt_A", 10, 1, 0), SHARE_GRANTED);
	shares_return(&s, one, (struct share_use){310, 3}, &l);
	ck_assert_uint_eq(s.held.bytes, 0);
	ck_assert_uint_eq(s.holders, 0);
	ck_assert_uint_eq(s.n, 0);
}
END_TEST

START_TEST(test_a_rate_lets_a_burst_through_and_then_its_rate)
{
	l = (struct shares_limits){.queue = {1 << 20, 1 << 20}, .rate = 10, .burst = 20};
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(ask("tnt_A", 1, 1, 1000), SHARE_GRANTED);
	ck_assert_int_eq(ask("tnt_A", 1, 1, 1000), SHARE_RATE);
	ck_assert_int_eq(ask("tnt_B", 1, 1, 1000), SHARE_GRANTED);
	ck_assert_int_eq(ask("tnt_A", 1, 1, 1000 + 99999), SHARE_RATE);
	ck_assert_int_eq(ask("tnt_A", 1, 1, 1000 + 100000), SHARE_GRANTED);
	ck_assert_int_eq(ask("tnt_A", 1, 1, 1000 + 100000), SHARE_RATE);
}
END_TEST

START_TEST(test_a_large_request_is_paid_afterwards)
{
	struct share *one;

	l = (struct shares_limits){.queue = {1 << 20, 1 << 20}, .rate = 10, .burst = 20};
	ck_assert_int_eq(ask("tnt_A", 1, 70, 0), SHARE_GRANTED);
	one = shares_stage(&s, SLICE_LIT("tnt_A"), &l, 0);
	ck_assert_double_eq_tol(shares_wait_s(one, &l), 5.1, 1e-9);
	shares_drop(&s, &l);
	ck_assert_int_eq(ask("tnt_A", 1, 1, 5000000), SHARE_RATE);
	ck_assert_int_eq(ask("tnt_A", 1, 1, 5200000), SHARE_GRANTED);
}
END_TEST

START_TEST(test_what_has_no_tenant_has_no_rate)
{
	l = (struct shares_limits){.queue = {1 << 20, 1 << 20}, .rate = 1, .burst = 1};
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(ask("", 1, 1, 0), SHARE_GRANTED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shares");
	TCase *t = tcase_create("shares");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_one_alone_gets_two_thirds);
	tcase_add_test(t, test_events_bound_it_too);
	tcase_add_test(t, test_who_fills_it_is_refused_not_the_others);
	tcase_add_test(t, test_never_more_than_the_queue);
	tcase_add_test(t, test_an_empty_queue_takes_what_is_larger_than_itself);
	tcase_add_test(t, test_returned_is_free_again);
	tcase_add_test(t, test_a_rate_lets_a_burst_through_and_then_its_rate);
	tcase_add_test(t, test_a_large_request_is_paid_afterwards);
	tcase_add_test(t, test_what_has_no_tenant_has_no_rate);
	suite_add_tcase(suite, t);
	return unit_main(suite);
}
