/* backoff: the bounds of each step, the cap, no overflow. */
#include "tests/unit/unit.h"

#include <signal.h>

#include "common/base/backoff.h"

START_TEST(test_steps)
{
	struct backoff b = {.base_ms = 50, .cap_ms = 5000};

	ck_assert_int_eq(backoff_next_ms(&b, 0), 50);           /* the least */
	ck_assert_int_eq(backoff_next_ms(&b, UINT32_MAX), 150); /* the most: 3 * 50 */
	ck_assert_int_eq(backoff_next_ms(&b, UINT32_MAX), 450);
	ck_assert_int_eq(backoff_next_ms(&b, UINT32_C(1) << 31),
			 700);                        /* half way from 50 to 1350 */
	ck_assert_int_eq(backoff_next_ms(&b, 0), 50); /* decorrelated */
	for (int i = 0; i < 20; i++)
		(void)backoff_next_ms(&b, UINT32_MAX);
	ck_assert_int_eq(b.previous_ms, 5000);
	backoff_reset(&b);
	ck_assert_int_le(backoff_next_ms(&b, UINT32_MAX), 150);
}
END_TEST

START_TEST(test_bounds)
{
	struct backoff b = {.base_ms = 100, .cap_ms = 86400000};

	for (int i = 0; i < 100000; i++) {
		int64_t previous = b.previous_ms > 100 ? b.previous_ms : 100;
		int64_t next = backoff_next_ms(&b, backoff_random());

		if (next < 100 || next > 3 * previous || next > 86400000)
			ck_abort_msg("%lld after %lld", (long long)next, (long long)previous);
	}
}
END_TEST

START_TEST(test_base_equals_cap)
{
	struct backoff b = {.base_ms = 1000, .cap_ms = 1000};

	ck_assert_int_eq(backoff_next_ms(&b, 0), 1000);
	ck_assert_int_eq(backoff_next_ms(&b, UINT32_MAX), 1000);
}
END_TEST

START_TEST(test_cap_below_base)
{
	struct backoff b = {.base_ms = 1000, .cap_ms = 10};

	(void)backoff_next_ms(&b, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("backoff");
	TCase *tc = tcase_create("backoff");

	tcase_add_test(tc, test_steps);
	tcase_add_test(tc, test_bounds);
	tcase_add_test(tc, test_base_equals_cap);
	tcase_add_test_raise_signal(tc, test_cap_below_base, SIGABRT);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
