/* etld/job: how long a job waits for its next attempt, and which failures get one. */
#include "etld/job/job.h"
#include "tests/unit/unit.h"

START_TEST(waits_grow_and_end)
{
	for (int i = 0; i < 100; i++) {
		ck_assert_int_ge(job_retry_in_ms(1), 2000);
		ck_assert_int_le(job_retry_in_ms(1), 6000);
		ck_assert_int_le(job_retry_in_ms(2), 18000);
		ck_assert_int_le(job_retry_in_ms(1000), 300000);
	}
}
END_TEST

START_TEST(waits_differ)
{
	int64_t first = job_retry_in_ms(1);
	bool differs = false;

	for (int i = 0; i < 100 && !differs; i++)
		differs = job_retry_in_ms(1) != first;
	ck_assert(differs);
}
END_TEST

START_TEST(every_reason_has_a_name)
{
	for (size_t i = 0; i < JOB_REASON_COUNT; i++)
		ck_assert_ptr_nonnull(job_reasons[i].name);
	ck_assert(job_reasons[JOB_SOURCE_NOT_READY].retriable);
	ck_assert(!job_reasons[JOB_TIMEOUT].retriable);
}
END_TEST

START_TEST(forgetting_makes_a_job_usable)
{
	struct job job = {.claim = {NULL}};

	job_forget(&job);
	ck_assert_ptr_null(job.claim[CLAIM_ID]);
	ck_assert_str_eq(job.rows_in, "0");
	ck_assert_str_eq(job.progress, "0");
	job_forget(&job);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("job");
	TCase *tc = tcase_create("job");

	tcase_add_test(tc, waits_grow_and_end);
	tcase_add_test(tc, waits_differ);
	tcase_add_test(tc, every_reason_has_a_name);
	tcase_add_test(tc, forgetting_makes_a_job_usable);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
