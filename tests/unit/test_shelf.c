/* The shelf of results: what is found, for whom, for how long, and that it never outgrows its
 * bound. */
#include "tests/unit/unit.h"

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "queryd/tenant/shelf.h"

#define TTL_MS 1000
#define MAX    ((size_t)64 * 1024)

static const struct shelf_age age = {5, 4};
static struct shelf *shelf;

static void setup(void)
{
	clock_set_for_test(0, 1000000);
	shelf = shelf_new(MAX, TTL_MS);
}

static void teardown(void)
{
	shelf_free(shelf);
	clock_unset_for_test();
}

START_TEST(finds_what_was_put)
{
	struct shelf_entry *e;

	ck_assert_ptr_null(shelf_find(shelf, "tnt_a", "k"));
	shelf_put(shelf, "tnt_a", "k", "1,2", SLICE_LIT("{}"), age);
	e = shelf_find(shelf, "tnt_a", "k");
	ck_assert_str_eq(e->versions, "1,2");
	ck_assert(slice_eq_str(e->value, "{}"));
	ck_assert_int_eq(e->age.now_us, 5);
	ck_assert_int_eq(e->current_mono_ms, 1000);
	shelf_put(shelf, "tnt_a", "k", "1,3", SLICE_LIT("{1}"), age);
	e = shelf_find(shelf, "tnt_a", "k");
	ck_assert_str_eq(e->versions, "1,3");
	ck_assert(slice_eq_str(e->value, "{1}"));
}
END_TEST

START_TEST(keeps_tenants_and_keys_apart)
{
	shelf_put(shelf, "tnt_a", "k", "1", SLICE_LIT("a"), age);
	ck_assert_ptr_null(shelf_find(shelf, "tnt_b", "k"));
	ck_assert_ptr_null(shelf_find(shelf, "tnt_a", "K"));
	shelf_put(shelf, "tnt_b", "k", "1", SLICE_LIT("b"), age);
	ck_assert(slice_eq_str(shelf_find(shelf, "tnt_a", "k")->value, "a"));
	ck_assert(slice_eq_str(shelf_find(shelf, "tnt_b", "k")->value, "b"));
}
END_TEST

START_TEST(forgets_a_tenant)
{
	shelf_put(shelf, "tnt_a", "k", "1", SLICE_LIT("a"), age);
	shelf_put(shelf, "tnt_b", "k", "1", SLICE_LIT("b"), age);
	shelf_put(shelf, "tnt_a", "l", "1", SLICE_LIT("c"), age);
	shelf_forget(shelf, "tnt_a");
	ck_assert_ptr_null(shelf_find(shelf, "tnt_a", "k"));
	ck_assert_ptr_null(shelf_find(shelf, "tnt_a", "l"));
	ck_assert(slice_eq_str(shelf_find(shelf, "tnt_b", "k")->value, "b"));
	shelf_forget(shelf, "tnt_b");
	ck_assert_uint_eq(shelf_bytes(shelf), 0);
}
END_TEST

START_TEST(forgets_after_the_ttl)
{
	shelf_put(shelf, "t", "k", "1", SLICE_LIT("a"), age);
	clock_set_for_test(0, 1000000 + (TTL_MS - 1) * 1000);
	shelf_confirm(shelf_find(shelf, "t", "k"), (struct shelf_age){9, 0});
	ck_assert_int_eq(shelf_find(shelf, "t", "k")->current_mono_ms, 1000 + TTL_MS - 1);
	ck_assert_int_eq(shelf_find(shelf, "t", "k")->age.now_us, 9);
	clock_set_for_test(0, 1000000 + TTL_MS * 1000); /* it was put then, whenever confirmed */
	ck_assert_ptr_null(shelf_find(shelf, "t", "k"));
	ck_assert_uint_eq(shelf_bytes(shelf), 0);
}
END_TEST

START_TEST(stays_within_its_bound)
{
	char *value = xcalloc(1, MAX), key[16];
	const struct slice large = {value, MAX / 16}, some = {value, 1000};

	shelf_put(shelf, "t", "used", "1", some, age);
	for (int i = 0; i < 500; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		shelf_put(shelf, "t", key, "1", some, age);
		ck_assert_uint_le(shelf_bytes(shelf), MAX);
		ck_assert_ptr_nonnull(shelf_find(shelf, "t", "used"));
	}
	ck_assert_uint_gt(shelf_bytes(shelf), MAX / 2);
	ck_assert_ptr_null(shelf_find(shelf, "t", "k0"));
	ck_assert_ptr_nonnull(shelf_find(shelf, "t", "k499"));
	shelf_put(shelf, "t", "k499", "2", large, age); /* too large: and what it was is gone */
	ck_assert_ptr_null(shelf_find(shelf, "t", "k499"));
	free(value);
}
END_TEST

START_TEST(keeps_nothing_without_room)
{
	struct shelf *none = shelf_new(0, TTL_MS);

	shelf_put(none, "t", "k", "1", SLICE_LIT(""), age);
	ck_assert_ptr_null(shelf_find(none, "t", "k"));
	shelf_free(none);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shelf");
	TCase *tc = tcase_create("shelf");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, finds_what_was_put);
	tcase_add_test(tc, keeps_tenants_and_keys_apart);
	tcase_add_test(tc, forgets_a_tenant);
	tcase_add_test(tc, forgets_after_the_ttl);
	tcase_add_test(tc, stays_within_its_bound);
	tcase_add_test(tc, keeps_nothing_without_room);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
