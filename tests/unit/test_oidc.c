/* Tokens of accounts: who is on the list, by our own keys and by those of the platform. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

#include "common/auth/oidc.h"
#include "common/base/clock.h"
#include "tests/unit/mint.h"

#define NOW_S  INT64_C(1800000000)
#define GOOD   "\"iss\":\"https://accounts.google.com\",\"aud\":\"us\",\"exp\":1800000600"
#define EMAIL  ",\"email\":\"a@x\",\"email_verified\":true"
#define MARKED "SIGNATURE_REMOVED_BY_GOOGLE"

static struct event_base *base;
static EVP_PKEY *key, *other;
static char keys_file[64];

static void setup(void)
{
	struct strbuf set = STRBUF_INIT;
	int fd;

	clock_set_for_test(NOW_S * 1000000, 1000000);
	base = event_base_new();
	key = mint_key(MINT_ED25519);
	other = mint_key(MINT_ED25519);
	strbuf_append_str(&set, "{\"keys\":[");
	mint_jwk(&set, key, MINT_ED25519, "k");
	strbuf_append_str(&set, "]}");
	(void)snprintf(keys_file, sizeof(keys_file), "/tmp/test_oidc.XXXXXX");
	fd = mkstemp(keys_file);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, set.ptr, set.len), (ssize_t)set.len);
	(void)close(fd);
	strbuf_clear(&set);
}

static void teardown(void)
{
	(void)unlink(keys_file);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	event_base_free(base);
	clock_unset_for_test();
}

static struct oidc *open_list(const char *accounts, bool platform)
{
	struct err e = ERR_INIT;
	struct oidc *o = NULL;

	ck_assert_msg(oidc_new(base,
			       &(struct oidc_options){.source = keys_file,
						      .issuer = "https://accounts.google.com",
						      .audience = "us",
						      .accounts = accounts,
						      .platform = platform},
			       &o, &e) == 0,
		      "%s", e.msg);
	return o;
}

/* "Bearer …" with these claims; marked: the platform took the signature away. */
static void bearer(struct strbuf *out, EVP_PKEY *by, const char *claims, bool marked)
{
	struct strbuf token = STRBUF_INIT;
	char payload[512];

	(void)snprintf(payload, sizeof(payload), "{%s}", claims);
	if (marked)
		mint_unsigned(&token, "{\"alg\":\"RS256\",\"kid\":\"g\"}", payload);
	else
		mint_token(&token, by, "{\"alg\":\"EdDSA\",\"kid\":\"k\"}", payload);
	strbuf_reset(out);
	strbuf_appendf(out, "Bearer %s%s", strbuf_cstr(&token), marked ? "." MARKED : "");
	strbuf_clear(&token);
}

static const struct {
	const char *claims, *accounts;
	int result;
} cases[] = {
	{GOOD EMAIL, "a@x", 0},
	{GOOD EMAIL, "b@x, a@x", 0},
	{GOOD EMAIL, "b@x,,a@x,", 0},
	{"\"iss\":\"accounts.google.com\",\"aud\":\"us\",\"exp\":1800000600" EMAIL, "a@x", 0},
	{GOOD EMAIL, "", -EPERM},
	{GOOD EMAIL, "b@x", -EPERM},
	{GOOD EMAIL, "a@x.org", -EPERM},
	{GOOD EMAIL, "A@x", -EPERM},
	{GOOD ",\"email\":\"a@x\",\"email_verified\":false", "a@x", -EACCES},
	{GOOD ",\"email\":\"a@x\",\"email_verified\":\"true\"", "a@x", -EACCES},
	{GOOD ",\"email\":\"a@x\"", "a@x", -EACCES},
	{GOOD ",\"email\":7,\"email_verified\":true", "a@x", -EACCES},
	{GOOD, "a@x", -EACCES},
	{"\"iss\":\"https://accounts.google.com\",\"aud\":\"them\",\"exp\":1800000600" EMAIL, "a@x",
	 -EACCES},
	{"\"iss\":\"https://example.com\",\"aud\":\"us\",\"exp\":1800000600" EMAIL, "a@x", -EACCES},
	{"\"iss\":\"https://accounts.google.com\",\"aud\":\"us\",\"exp\":1700000000" EMAIL, "a@x",
	 -EACCES},
};

/* The same claims mean the same, whoever has checked the signature. */
START_TEST(test_claims)
{
	bool platform = _i % 2 == 1;
	struct strbuf header = STRBUF_INIT;
	struct err e = ERR_INIT;
	const char *account = NULL;
	struct oidc *o;
	int r;

	ck_assert_int_eq(setenv("K_SERVICE", "here", 1), 0);
	o = open_list(cases[_i / 2].accounts, platform);
	bearer(&header, key, cases[_i / 2].claims, platform);
	r = oidc_authenticate(o, strbuf_cstr(&header), NULL, &account, &e);
	ck_assert_msg((r == 0 || r == -EPERM || r == -EAGAIN ? r : -EACCES) == cases[_i / 2].result,
		      "%d: %s", r, e.msg);
	if (r == 0)
		ck_assert_str_eq(account, "a@x");
	strbuf_clear(&header);
	oidc_free(o);
}
END_TEST

/* A signature is never taken for the platform's mark, nor the mark for a signature. */
START_TEST(test_who_signs)
{
	struct strbuf ours = STRBUF_INIT, forged = STRBUF_INIT, marked = STRBUF_INIT;
	struct oidc *verifies, *trusts;
	const char *account;

	ck_assert_int_eq(setenv("K_SERVICE", "here", 1), 0);
	verifies = open_list("a@x", false);
	trusts = open_list("a@x", true);
	bearer(&ours, key, GOOD EMAIL, false);
	bearer(&forged, other, GOOD EMAIL, false);
	bearer(&marked, NULL, GOOD EMAIL, true);
	ck_assert_int_eq(oidc_authenticate(verifies, strbuf_cstr(&ours), NULL, &account, NULL), 0);
	ck_assert_int_lt(oidc_authenticate(verifies, strbuf_cstr(&forged), NULL, &account, NULL),
			 0);
	ck_assert_int_lt(oidc_authenticate(verifies, strbuf_cstr(&marked), NULL, &account, NULL),
			 0);
	ck_assert_int_lt(oidc_authenticate(verifies, NULL, NULL, &account, NULL), 0);
	ck_assert_int_lt(oidc_authenticate(trusts, strbuf_cstr(&ours), NULL, &account, NULL), 0);
	ck_assert_int_lt(oidc_authenticate(trusts, NULL, NULL, &account, NULL), 0);
	/* what the platform looks at when it is there */
	ck_assert_int_eq(
		oidc_authenticate(trusts, strbuf_cstr(&ours), strbuf_cstr(&marked), &account, NULL),
		0);
	ck_assert_int_lt(
		oidc_authenticate(trusts, strbuf_cstr(&marked), strbuf_cstr(&ours), &account, NULL),
		0);
	strbuf_clear(&ours);
	strbuf_clear(&forged);
	strbuf_clear(&marked);
	oidc_free(verifies);
	oidc_free(trusts);
	oidc_free(NULL);
}
END_TEST

/* Anywhere but on the platform nobody has verified anything. */
START_TEST(test_no_platform)
{
	struct err e = ERR_INIT;
	struct oidc *o = NULL;
	struct oidc_options options = {.source = keys_file,
				       .issuer = "",
				       .audience = "us",
				       .accounts = "",
				       .platform = true};

	ck_assert_int_eq(unsetenv("K_SERVICE"), 0);
	ck_assert_int_eq(oidc_new(base, &options, &o, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "K_SERVICE"));
	options.platform = false;
	options.source = "/nowhere/keys.json";
	ck_assert_int_lt(oidc_new(base, &options, &o, &e), 0);
	ck_assert_ptr_null(o);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("oidc");
	TCase *tc = tcase_create("accounts");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_claims, 0, 2 * (int)ARRAY_SIZE(cases));
	tcase_add_test(tc, test_who_signs);
	tcase_add_test(tc, test_no_platform);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
