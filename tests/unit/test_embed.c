/* Embed tokens: what is signed comes back, and nothing else does. */
#include "tests/unit/unit.h"

#include "common/base/clock.h"
#include "queryd/embed.h"

#define KEY    "a key of the tests"
#define TENANT "tnt_01HZX3M5K7N9P2Q4R6S8TAVBWC"
#define BOARD  "dsh_01HZX3M5K7N9P2Q4R6S8TAVBWC"

/* "Bearer <token>" of claims that end in `rest`. */
static const char *signed_with(struct arena *a, const char *key, int ttl_s, const char *rest)
{
	const char *claims = arena_printf(
		a, "{\"sub\":\"embed:x\",\"tenantId\":\"" TENANT "\",\"roles\":[],\"exp\":%lld,%s}",
		(long long)(clock_wall_ms() / 1000 + ttl_s), rest);

	return arena_printf(a, "Bearer %s", embed_sign(key, slice_of(claims), a));
}

static bool accepted(const char *key, const char *authorization)
{
	struct err e = ERR_INIT;
	struct principal *p = embed_verify(key, authorization, &e);

	ck_assert((p == NULL) == (e.code != 0));
	principal_free(p);
	return p != NULL;
}

START_TEST(test_holder)
{
	struct arena *a = arena_new();
	struct err e = ERR_INIT;
	struct principal *p;

	p = embed_verify(KEY,
			 signed_with(a, KEY, 60,
				     "\"dashboardId\":\"" BOARD "\",\"propertyAccess\":[\"ppt_b\","
				     "\"ppt_a\"]"),
			 &e);
	ck_assert_ptr_nonnull(p);
	ck_assert_str_eq(p->tenant_id, TENANT);
	ck_assert_str_eq(p->embedded, BOARD);
	ck_assert_str_eq(p->scope, "ppt_a,ppt_b");
	ck_assert(!p->all_properties);
	ck_assert_uint_eq(p->permissions, PERMISSION_EMBEDDED);
	principal_free(p);
	p = embed_verify(
		KEY,
		signed_with(a, KEY, 60, "\"dashboardId\":\"" BOARD "\",\"properties\":\"all\""),
		&e);
	ck_assert_ptr_nonnull(p);
	ck_assert_str_eq(p->scope, "all");
	principal_free(p);
	arena_free(a);
}
END_TEST

START_TEST(test_refused)
{
	struct arena *a = arena_new();
	const char *rest = "\"dashboardId\":\"" BOARD "\"";
	const char *good = signed_with(a, KEY, 60, rest);

	ck_assert(accepted(KEY, good));
	ck_assert(!accepted("another key", good));
	ck_assert(!accepted("", signed_with(a, "", 60, rest))); /* no key: nothing is accepted */
	ck_assert(!accepted(KEY, signed_with(a, KEY, 0, rest)));
	ck_assert(!accepted(KEY, signed_with(a, KEY, 60, "\"a\":1")));
	/* any byte of it changed */
	for (size_t i = strlen("Bearer "); good[i] != '\0'; i++) {
		char *bad = arena_strdup(a, good);

		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		if (embed_is(bad))
			ck_assert_msg(!accepted(KEY, bad), "byte %zu", i);
	}
	/* cut off anywhere */
	for (size_t n = strlen(good) - 1; n > 0; n--) {
		const char *bad = arena_strndup(a, good, n);

		if (embed_is(bad))
			ck_assert_msg(!accepted(KEY, bad), "%zu bytes", n);
	}
	arena_free(a);
}
END_TEST

START_TEST(test_others)
{
	ck_assert(!embed_is(NULL));
	ck_assert(!embed_is(""));
	ck_assert(!embed_is("Bearer eyJhbGciOiJFZERTQSJ9.e30.x"));
	ck_assert(!embed_is("bearer eyJhbGciOiJIUzI1NiIsInR5cCI6ImVtYmVkK2p3dCJ9.e30.x"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("embed");
	TCase *tc = tcase_create("embed");

	tcase_add_test(tc, test_holder);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_others);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
