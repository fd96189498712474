/* The set of recent ids: remembers at least as many as promised, forgets the oldest. */
#include "tests/unit/unit.h"

#include "ingestd/landing/recent.h"

static bool seen(struct recent *r, int tenant, int key)
{
	char t[24], k[40];

	(void)snprintf(t, sizeof(t), "tnt_%d", tenant);
	(void)snprintf(k, sizeof(k), "%026d", key);
	return recent_seen(r, recent_hash(slice_of(t), slice_of(k)));
}

START_TEST(test_second_sight)
{
	struct recent *r = recent_new(100);

	ck_assert(!seen(r, 1, 1));
	ck_assert(seen(r, 1, 1));
	ck_assert_msg(!seen(r, 2, 1), "the same key of another tenant is another event");
	recent_free(r);
}
END_TEST

START_TEST(test_remembers_what_it_promised)
{
	enum { N = 1000 };
	struct recent *r = recent_new(N);
	int forgotten = 0;

	for (int i = 0; i < 5 * N; i++)
		ck_assert(!seen(r, 1, i));
	/* the newest half is certain; asking again must not push out what was asked before */
	for (int i = 5 * N - N / 2; i < 5 * N; i++)
		ck_assert(seen(r, 1, i));
	for (int i = 0; i < N; i++)
		forgotten += !seen(r, 1, i);
	ck_assert_int_eq(forgotten, N);
	recent_free(r);
}
END_TEST

START_TEST(test_forgets_one_and_finds_the_others)
{
	enum { N = 64 }; /* that share their home in the table, so that gaps must be closed */
	struct recent *r = recent_new(1000);
	uint64_t step = (uint64_t)1 << 20;

	for (uint64_t i = 0; i < N; i++)
		ck_assert(!recent_seen(r, 5 + i * step));
	for (uint64_t i = 0; i < N; i += 2)
		recent_forget(r, 5 + i * step);
	recent_forget(r, 12345); /* was never there */
	for (uint64_t i = 0; i < N; i++)
		ck_assert_int_eq(recent_seen(r, 5 + i * step), i % 2 == 1);
	recent_free(r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("recent");
	TCase *t = tcase_create("recent");

	tcase_add_test(t, test_second_sight);
	tcase_add_test(t, test_remembers_what_it_promised);
	tcase_add_test(t, test_forgets_one_and_finds_the_others);
	suite_add_tcase(s, t);
	return unit_main(s);
}
