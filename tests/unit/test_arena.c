/* arena: alignment, zeroing, blocks, deferred functions. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdalign.h>

#include "common/base/arena.h"

START_TEST(test_alloc)
{
	struct arena *a = arena_new();
	size_t total = 0;

	for (size_t n = 0; n < 3000; n += 7) {
		unsigned char *p = arena_alloc(a, n);

		ck_assert_uint_eq((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(p[i], 0);
		memset(p, 0xff, n); /* a neighbour's bytes would be seen as not zero */
		total += n;
	}
	ck_assert_uint_eq(arena_size(a), total);
	arena_free(a);
	arena_free(NULL);
}
END_TEST

/* Pieces stay where they are, whatever is allocated after them. */
START_TEST(test_mixed_sizes)
{
	struct arena *a = arena_new();
	char *pieces[200];

	for (int i = 0; i < 200; i++) {
		size_t n = i % 5 == 0 ? 100000 : (size_t)i + 1;

		pieces[i] = arena_alloc(a, n);
		memset(pieces[i], i, n);
	}
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq((unsigned char)pieces[i][i % 5 == 0 ? 99999 : i], i);
	arena_free(a);
}
END_TEST

START_TEST(test_strings)
{
	struct arena *a = arena_new();
	char *p;

	ck_assert_str_eq(arena_strdup(a, "abc"), "abc");
	ck_assert_str_eq(arena_strndup(a, "abcdef", 3), "abc");
	ck_assert_str_eq(arena_strndup(a, NULL, 0), "");
	ck_assert_str_eq(arena_printf(a, "%s/%d", "x", 7), "x/7");
	p = arena_printf(a, "%0*d", 5000, 1);
	ck_assert_uint_eq(strlen(p), 5000);
	arena_free(a);
}
END_TEST

static char order[8];

static void note(void *arg)
{
	order[strlen(order)] = *(const char *)arg;
}

static void note_and_defer(void *arg)
{
	static char z[] = "z";

	arena_defer(arg, note, z);
}

START_TEST(test_defer)
{
	struct arena *a = arena_new();

	arena_defer(a, note, arena_strdup(a, "a"));
	arena_defer(a, note_and_defer, a);
	arena_defer(a, note, arena_strdup(a, "b"));
	arena_free(a);
	ck_assert_str_eq(order, "bza"); /* last first, and what was added meanwhile */
}
END_TEST

START_TEST(test_absurd_size)
{
	struct arena *a = arena_new();

	(void)!arena_alloc(a, SIZE_MAX - 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("arena");
	TCase *tc = tcase_create("arena");

	tcase_add_test(tc, test_alloc);
	tcase_add_test(tc, test_mixed_sizes);
	tcase_add_test(tc, test_strings);
	tcase_add_test(tc, test_defer);
	tcase_add_test_raise_signal(tc, test_absurd_size, SIGABRT);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
