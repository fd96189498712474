/*
 * What every unit test program needs: main() is `return unit_main(suite)`. Each test runs in a
 * process of its own (CK_FORK=no for a debugger), so a test of an ASSERT is
 * tcase_add_test_raise_signal(tc, test, SIGABRT).
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>

#include "common/base/base.h"

static inline int unit_main(Suite *s)
{
	SRunner *runner = srunner_create(s);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
