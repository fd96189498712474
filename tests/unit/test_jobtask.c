/* The task of a Cloud Run Job, from its environment. */
#include "tests/unit/unit.h"

#include "common/daemon/jobtask.h"

static const char *const names[] = {
	"CLOUD_RUN_TASK_INDEX",
	"CLOUD_RUN_TASK_COUNT",
	"CLOUD_RUN_TASK_ATTEMPT",
};

static const struct {
	const char *given[ARRAY_SIZE(names)]; /* NULL: not set */
	bool good;
	struct jobtask task;
} cases[] = {
	{{NULL, NULL, NULL}, true, {0, 1, 0}},
	{{"3", "4", "2"}, true, {3, 4, 2}},
	{{"0", NULL, NULL}, true, {0, 1, 0}},
	{{"1", NULL, NULL}, false, {0}},
	{{"4", "4", NULL}, false, {0}},
	{{NULL, "0", NULL}, false, {0}},
	{{"-1", "4", NULL}, false, {0}},
	{{"1x", "4", NULL}, false, {0}},
	{{"0", "", NULL}, false, {0}},
	{{"0", "1", "many"}, false, {0}},
	{{"0", "99999999999", NULL}, false, {0}},
};

START_TEST(test_task)
{
	struct jobtask task = {-7, -7, -7};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (cases[_i].given[i] != NULL)
			ck_assert_int_eq(setenv(names[i], cases[_i].given[i], 1), 0);
		else
			ck_assert_int_eq(unsetenv(names[i]), 0);
	}
	if (cases[_i].good) {
		ck_assert_int_eq(jobtask_read("run", &task, &e), 0);
		ck_assert_int_eq(task.index, cases[_i].task.index);
		ck_assert_int_eq(task.count, cases[_i].task.count);
		ck_assert_int_eq(task.attempt, cases[_i].task.attempt);
	} else {
		ck_assert_int_lt(jobtask_read("run", &task, &e), 0);
		ck_assert_ptr_nonnull(strstr(e.msg, "CLOUD_RUN_TASK_INDEX"));
		ck_assert_int_eq(task.index, -7); /* as it was */
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jobtask");
	TCase *t = tcase_create("jobtask");

	tcase_add_loop_test(t, test_task, 0, (int)ARRAY_SIZE(cases));
	suite_add_tcase(s, t);
	return unit_main(s);
}
