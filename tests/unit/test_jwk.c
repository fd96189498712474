/* jwk: which key sets are read, which keys are skipped, which spoil the set. */
#include "tests/unit/unit.h"

#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "common/auth/jwk.h"
#include "tests/unit/mint.h"

#define X32   "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" /* RFC 8037, an Ed25519 key */
#define ED(k) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" k "\",\"x\":\"" X32 "\"}"

static const struct {
	const char *name, *keys;
	int expected; /* number of keys, or -EINVAL */
} sets[] = {
	{"one", ED("a"), 1},
	{"two", ED("a") "," ED("b"), 2},
	{"kid twice", ED("a") "," ED("a"), -EINVAL},
	{"none", "", -EINVAL},
	{"no object", "7", -EINVAL},
	{"without kid", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X32 "\"}", -EINVAL},
	{"unknown members, sig, alg, verify",
	 "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"" X32
	 "\",\"use\":\"sig\",\"alg\":\"EdDSA\",\"key_ops\":[\"sign\",\"verify\"],\"x5c\":[]}",
	 1},
	{"for encryption",
	 "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"" X32 "\",\"use\":\"enc\"}",
	 -EINVAL},
	{"for signing only",
	 "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"" X32
	 "\",\"key_ops\":[\"sign\"]}",
	 -EINVAL},
	{"another algorithm",
	 "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"" X32 "\",\"alg\":\"ES256\"}",
	 -EINVAL},
	{"others are skipped",
	 "{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"AAAA\"},"
	 "{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"p\",\"x\":\"AA\",\"y\":\"AA\"},"
	 "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"kid\":\"x\",\"x\":\"" X32 "\"}," ED("a"),
	 1},
	{"31 bytes",
	 "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"11qYAYKxCrfVS_"
	 "7TyWQHOg7hcvPapiMlrwIaaPcHUA\"}",
	 -EINVAL},
	{"33 bytes", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"" X32 "A\"}",
	 -EINVAL},
	{"padded", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"" X32 "=\"}",
	 -EINVAL},
	{"no x", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\"}", -EINVAL},
	{"a bad key spoils the set", ED("a") ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"b\"}",
	 -EINVAL},
	{"off the curve",
	 "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"" X32 "\",\"y\":\"" X32 "\"}",
	 -EINVAL},
	{"the point at infinity",
	 "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":"
	 "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
	 "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
	 -EINVAL},
	{"RSA of 32 bytes", "{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"" X32 "\",\"e\":\"AQAB\"}",
	 -EINVAL},
	{"RSA of nothing", "{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"\",\"e\":\"\"}", -EINVAL},
};

static int parse_keys(const char *keys, struct err *e)
{
	struct strbuf b = STRBUF_INIT;
	struct jwk_set *k = NULL;
	int r;

	strbuf_appendf(&b, "{\"keys\":[%s],\"other\":1}", keys);
	r = jwk_set_parse(strbuf_slice(&b), &k, e);
	if (r == 0)
		r = (int)jwk_set_count(k);
	jwk_set_free(k);
	strbuf_clear(&b);
	return r;
}

START_TEST(test_set)
{
	struct err e = ERR_INIT;
	int r = parse_keys(sets[_i].keys, &e);

	ck_assert_msg(r == sets[_i].expected, "%s: %d, %s", sets[_i].name, r, e.msg);
	ck_assert((r < 0) == (e.msg[0] != '\0'));
}
END_TEST

START_TEST(test_documents)
{
	static const char *const documents[] = {"",
						"[]",
						"{}",
						"null",
						"{\"keys\":{}}",
						"{\"keys\":{\"a\":" ED("a") "}}",
						"{\"keys\":[}",
						"{\"keys\":[" ED("a") "],\"keys\":[" ED("b") "]}"};
	struct jwk_set *k = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(documents); i++)
		ck_assert_int_eq(jwk_set_parse(slice_of(documents[i]), &k, NULL), -EINVAL);
	ck_assert_ptr_null(k);
	jwk_set_free(NULL);
}
END_TEST

static const struct {
	const char *text;
	int expected;
} exponents[] = {
	{"Aw", 1},                                    /* 3 */
	{"AQAB", 1},                                  /* 65537 */
	{"AQ", -EINVAL},                              /* 1 */
	{"AAE", -EINVAL},                             /* 1, longer */
	{"AAM", -EINVAL},                             /* 3, longer */
	{"AA", -EINVAL},                              /* 0 */
	{"AQAC", -EINVAL},                            /* 65538 */
	{"", -EINVAL},     {"AQAAAAAAAAAB", -EINVAL}, /* nine bytes */
};

/* Sizes: RSA from 2048 bits, 64 keys, 64 KiB. */
START_TEST(test_limits)
{
	struct strbuf b = STRBUF_INIT;
	EVP_PKEY *small = EVP_RSA_gen(1024), *rsa = mint_key(MINT_RSA);
	EVP_PKEY *ed = mint_key(MINT_ED25519);
	struct err e = ERR_INIT;

	mint_jwk(&b, small, MINT_RSA, "small");
	ck_assert_int_eq(parse_keys(strbuf_cstr(&b), &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "1024 bits"));

	for (size_t i = 0; i < ARRAY_SIZE(exponents); i++) {
		strbuf_reset(&b);
		strbuf_appendf(&b, "{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"%s\"",
			       exponents[i].text);
		mint_number(&b, "n", rsa, OSSL_PKEY_PARAM_RSA_N, 0);
		strbuf_append_char(&b, '}');
		ck_assert_int_eq(parse_keys(strbuf_cstr(&b), &e), exponents[i].expected);
	}
	strbuf_reset(&b);
	for (int i = 0; i < 65; i++) {
		char kid[16];

		(void)snprintf(kid, sizeof(kid), "k%d", i);
		mint_jwk(&b, ed, MINT_ED25519, kid);
		ck_assert_int_eq(parse_keys(strbuf_cstr(&b), &e), i < 64 ? i + 1 : -EINVAL);
	}
	strbuf_reset(&b);
	strbuf_appendf(&b, ED("a") "%*s", (int)JWK_SET_MAX, "");
	ck_assert_int_eq(parse_keys(strbuf_cstr(&b), &e), -EINVAL);
	strbuf_clear(&b);
	EVP_PKEY_free(small);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jwk");
	TCase *tc = tcase_create("sets");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, test_set, 0, ARRAY_SIZE(sets));
	tcase_add_test(tc, test_documents);
	tcase_add_test(tc, test_limits);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
