/* common/sign: a vector of RFC 8032 (section 7.1, test 2), and what must not hold. */
#include "common/auth/sign.h"

#include <errno.h>

#include "common/base/hash.h"
#include "tests/unit/unit.h"

#define PRIVATE                                                              \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n" \
	"-----END PRIVATE KEY-----\n"
#define PUBLIC                                                           \
	"-----BEGIN PUBLIC KEY-----\n"                                   \
	"MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n" \
	"-----END PUBLIC KEY-----\n"
#define SIGNATURE                                                          \
	"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" \
	"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"

static struct signer *signer_of(const char *pem)
{
	struct signer *s;
	struct err e = ERR_INIT;

	ck_assert_int_eq(signer_new(slice_of(pem), &s, &e), 0);
	return s;
}

START_TEST(signs_as_the_rfc_says)
{
	struct signer *s = signer_of(PRIVATE), *public = signer_of(PUBLIC);
	unsigned char signature[SIGN_LEN];
	char hex[2 * SIGN_LEN + 1];

	signer_sign(s, SLICE_LIT("\x72"), signature);
	hash_hex(signature, sizeof(signature), hex);
	ck_assert_str_eq(hex, SIGNATURE);
	ck_assert(signer_holds(s, SLICE_LIT("\x72"), signature));
	ck_assert(signer_holds(public, SLICE_LIT("\x72"), signature));
	ck_assert(signer_can_sign(s) && !signer_can_sign(public));
	ck_assert_str_eq(signer_key_id(s), signer_key_id(public));
	ck_assert_uint_eq(strlen(signer_key_id(s)), SIGN_KEY_ID_LEN);
	signer_free(s);
	signer_free(public);
}
END_TEST

START_TEST(other_texts_and_signatures_do_not_hold)
{
	struct signer *s = signer_of(PRIVATE);
	unsigned char signature[SIGN_LEN];

	signer_sign(s, SLICE_LIT("text"), signature);
	ck_assert(!signer_holds(s, SLICE_LIT("texT"), signature));
	ck_assert(!signer_holds(s, SLICE_LIT(""), signature));
	for (size_t i = 0; i < sizeof(signature); i++) {
		signature[i] ^= 1;
		ck_assert(!signer_holds(s, SLICE_LIT("text"), signature));
		signature[i] ^= 1;
	}
	ck_assert(signer_holds(s, SLICE_LIT("text"), signature));
	signer_free(s);
}
END_TEST

static const char *const no_keys[] = {
	"",
	"secret",
	"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
	/* P-256 */
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
	"6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
	"-----END PUBLIC KEY-----\n",
};

START_TEST(what_is_no_key)
{
	struct signer *s = NULL;
	struct err e = ERR_INIT;

	ck_assert_int_eq(signer_new(slice_of(no_keys[_i]), &s, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "Ed25519"));
	ck_assert_ptr_null(s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sign");
	TCase *tc = tcase_create("sign");

	tcase_add_test(tc, signs_as_the_rfc_says);
	tcase_add_test(tc, other_texts_and_signatures_do_not_hold);
	tcase_add_loop_test(tc, what_is_no_key, 0, ARRAY_SIZE(no_keys));
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return unit_main(suite());
}
