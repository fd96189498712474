/* tokcache: what is remembered, for how long, and when it is dropped. */
#include "tests/unit/unit.h"

#include "common/auth/tokcache.h"
#include "common/base/strbuf.h"
#include "common/base/xalloc.h"

static int dropped;

static void drop(void *arg, void *value)
{
	ck_assert_ptr_eq(arg, &dropped);
	dropped++;
	free(value);
}

static struct tokcache_now at(int64_t ms)
{
	return (struct tokcache_now){.mono_ms = ms, .wall_s = ms / 1000};
}

static void put(struct tokcache *c, const char *token, int64_t end_s, int64_t now_ms)
{
	tokcache_put(c, slice_of(token), xstrdup(token), end_s, at(now_ms));
}

static bool has(struct tokcache *c, const char *token, int64_t now_ms)
{
	const char *v = tokcache_find(c, slice_of(token), at(now_ms));

	ck_assert(v == NULL || strcmp(v, token) == 0);
	return v != NULL;
}

START_TEST(test_cache_life)
{
	struct tokcache *c = tokcache_new(8, drop, &dropped);

	put(c, "long", 1000, 0);
	put(c, "short", 10, 0);
	ck_assert(has(c, "long", 59999) && has(c, "short", 9999));
	ck_assert(!has(c, "lon", 0) && !has(c, "longe", 0) && !has(c, "Long", 0));
	ck_assert(!tokcache_needs_reap(c));
	ck_assert(!has(c, "short", 10000)); /* its own end */
	ck_assert(!has(c, "long", 60000));  /* ours */
	ck_assert_int_eq(dropped, 0);
	ck_assert(tokcache_needs_reap(c));
	tokcache_reap(c);
	ck_assert_int_eq(dropped, 2);
	/* the wall clock counts, too, when the monotonic one stood still (suspend) */
	put(c, "asleep", 100, 0);
	ck_assert_ptr_null(tokcache_find(c, SLICE_LIT("asleep"), (struct tokcache_now){0, 100}));
	tokcache_free(c);
	ck_assert_int_eq(dropped, 3);
}
END_TEST

START_TEST(test_cache_bounds)
{
	struct tokcache *c = tokcache_new(3, drop, &dropped);
	struct strbuf b = STRBUF_INIT;

	put(c, "1", 1000, 0);
	put(c, "2", 1000, 0);
	put(c, "3", 1000, 0);
	put(c, "4", 1000, 0); /* the oldest goes */
	ck_assert(!has(c, "1", 0) && has(c, "2", 0) && has(c, "3", 0) && has(c, "4", 0));
	put(c, "5", 1000, 60000); /* the expired go */
	tokcache_reap(c);
	ck_assert_int_eq(dropped, 4);
	ck_assert(has(c, "5", 60000));
	strbuf_appendf(&b, "%0*d", 3 * TOKCACHE_TOKEN_BYTES - 1, 0);
	put(c, strbuf_cstr(&b), 1000, 60000); /* bytes are bounded, too */
	ck_assert(has(c, "5", 60000) && has(c, strbuf_cstr(&b), 60000));
	tokcache_flush(c);
	ck_assert(!has(c, "5", 60000));
	put(c, "6", 1000, 60000);
	strbuf_append_char(&b, 'x');
	put(c, strbuf_cstr(&b), 1000, 60000);
	ck_assert(!has(c, "6", 60000) && has(c, strbuf_cstr(&b), 60000));
	strbuf_clear(&b);
	tokcache_free(c);
	tokcache_free(NULL);
	ck_assert_int_eq(dropped, 8);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tokcache");
	TCase *tc = tcase_create("tokcache");

	tcase_add_test(tc, test_cache_life);
	tcase_add_test(tc, test_cache_bounds);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
