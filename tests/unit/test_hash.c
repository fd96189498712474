/* hash: published vectors (FIPS 180-4, RFC 4231, RFC 4648), strict decoding, spread. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/hash.h"

static const struct {
	struct slice s;
	const char *hex;
} digests[] = {
	{{NULL, 0}, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{SLICE_INIT("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{SLICE_INIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

START_TEST(test_sha256)
{
	unsigned char digest[HASH_SHA256_LEN];
	char hex[2 * HASH_SHA256_LEN + 1];

	hash_sha256(digests[_i].s, digest);
	hash_hex(digest, sizeof(digest), hex);
	ck_assert_str_eq(hex, digests[_i].hex);
}
END_TEST

/* One object for many messages, each fed in pieces. */
START_TEST(test_running)
{
	struct hash_sha256 *h = hash_sha256_new();
	unsigned char digest[HASH_SHA256_LEN];
	char hex[2 * HASH_SHA256_LEN + 1];

	for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
		for (size_t at = 0; at < digests[i].s.len; at++)
			hash_sha256_update(h, (struct slice){digests[i].s.ptr + at, 1});
		hash_sha256_update(h, (struct slice){NULL, 0});
		hash_sha256_final(h, digest);
		hash_hex(digest, sizeof(digest), hex);
		ck_assert_str_eq(hex, digests[i].hex);
	}
	hash_sha256_free(h);
	hash_sha256_free(NULL);
}
END_TEST

static const struct {
	struct slice key, msg;
	const char *hex;
} macs[] = {
	{SLICE_INIT("Jefe"), SLICE_INIT("what do ya want for nothing?"),
	 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{SLICE_INIT("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
		    "\x0b"),
	 SLICE_INIT("Hi There"),
	 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{{NULL, 0}, {NULL, 0}, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

START_TEST(test_hmac)
{
	unsigned char mac[HASH_SHA256_LEN];
	char hex[2 * HASH_SHA256_LEN + 1];

	hash_hmac_sha256(macs[_i].key, macs[_i].msg, mac);
	hash_hex(mac, sizeof(mac), hex);
	ck_assert_str_eq(hex, macs[_i].hex);
}
END_TEST

/* NULL: -EINVAL. */
static const struct {
	struct slice in;
	const char *std, *url;
} encoded[] = {
	{{NULL, 0}, "", ""},
	{SLICE_INIT("Zg=="), "f", NULL},
	{SLICE_INIT("Zm8="), "fo", NULL},
	{SLICE_INIT("Zm9v"), "foo", "foo"},
	{SLICE_INIT("Zm9vYg=="), "foob", NULL},
	{SLICE_INIT("Zm9vYmFy"), "foobar", "foobar"},
	{SLICE_INIT("Zg"), NULL, "f"},
	{SLICE_INIT("Zm8"), NULL, "fo"},
	{SLICE_INIT("+/+/"), "\xfb\xff\xbf", NULL},
	{SLICE_INIT("-_-_"), NULL, "\xfb\xff\xbf"},
	{SLICE_INIT("Z"), NULL, NULL},
	{SLICE_INIT("Zm9vY"), NULL, NULL},
	{SLICE_INIT("Zh=="), NULL, NULL}, /* unused bits */
	{SLICE_INIT("Zh"), NULL, NULL},
	{SLICE_INIT("Zm9="), NULL, NULL},
	{SLICE_INIT("Zm9"), NULL, NULL},
	{SLICE_INIT("="), NULL, NULL},
	{SLICE_INIT("===="), NULL, NULL},
	{SLICE_INIT("Z==="), NULL, NULL},
	{SLICE_INIT("Zg=="
		    "Zg=="),
	 NULL, NULL},
	{SLICE_INIT("Zm9v===="), NULL, NULL},
	{SLICE_INIT("Zg= ="), NULL, NULL},
	{SLICE_INIT("Zm9v\n"), NULL, NULL},
	{SLICE_INIT(" Zm9"), NULL, NULL},
	{SLICE_INIT("Zm\0v"), NULL, NULL},
	{SLICE_INIT("Zm9\xff"), NULL, NULL},
};

static void check_decoded(int r, const unsigned char *out, size_t len, const char *expected)
{
	if (expected == NULL) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_uint_eq(len, 77);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(len, strlen(expected));
	ck_assert_mem_eq(out, expected, len);
}

START_TEST(test_base64)
{
	unsigned char out[32];
	size_t len = 77;
	int r = hash_base64_decode(encoded[_i].in, out, &len);

	check_decoded(r, out, len, encoded[_i].std);
	len = 77;
	r = hash_base64url_decode(encoded[_i].in, out, &len);
	check_decoded(r, out, len, encoded[_i].url);
}
END_TEST

/* Similar keys, few of which may share one of 4096 buckets, by either end of the hash. */
START_TEST(test_fast_spreads)
{
	enum { KEYS = 4096, BUCKETS = 4096 };
	static unsigned low[BUCKETS], high[BUCKETS];
	unsigned most = 0;
	char key[32];

	for (int i = 0; i < KEYS; i++) {
		uint64_t h;
		int n = snprintf(key, sizeof(key), "evt_%020d", i);

		h = hash_fast((struct slice){key, (size_t)n});
		ck_assert(h == hash_fast((struct slice){key, (size_t)n}));
		low[h % BUCKETS]++;
		high[h >> 52]++;
	}
	for (int i = 0; i < BUCKETS; i++) {
		most = low[i] > most ? low[i] : most;
		most = high[i] > most ? high[i] : most;
	}
	/* a good hash has 6 or 7; the chance of more than 12 is below 1e-6 */
	ck_assert_uint_le(most, 12);
}
END_TEST

/* Whatever is encoded is decoded to the same bytes, at every length. */
START_TEST(test_base64url_encode)
{
	unsigned char bytes[64], back[64 + 3];
	char text[(sizeof(bytes) * 4 + 2) / 3 + 1];
	size_t len;

	hash_base64url_encode("\xfb\xff\xfe", 3, text);
	ck_assert_str_eq(text, "-__-");
	hash_base64url_encode("fo", 2, text);
	ck_assert_str_eq(text, "Zm8");
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 37 + 200);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		hash_base64url_encode(bytes, n, text);
		ck_assert_uint_eq(strlen(text), (n * 4 + 2) / 3);
		ck_assert_int_eq(hash_base64url_decode(slice_of(text), back, &len), 0);
		ck_assert_uint_eq(len, n);
		ck_assert_int_eq(memcmp(back, bytes, n), 0);
	}
}
END_TEST

/* Lengths count: zero bytes at the end make another key. */
START_TEST(test_fast_lengths)
{
	static const char zeros[64];
	uint64_t seen[64];

	for (size_t n = 0; n < 64; n++) {
		seen[n] = hash_fast((struct slice){n > 0 ? zeros : NULL, n});
		for (size_t i = 0; i < n; i++)
			ck_assert(seen[i] != seen[n]);
	}
}
END_TEST

START_TEST(test_equal)
{
	ck_assert(hash_equal_consttime("abc", "abc", 3));
	ck_assert(!hash_equal_consttime("abc", "abd", 3));
	ck_assert(hash_equal_consttime("a", "b", 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hash");
	TCase *tc = tcase_create("hash");

	tcase_add_loop_test(tc, test_sha256, 0, ARRAY_SIZE(digests));
	tcase_add_test(tc, test_running);
	tcase_add_loop_test(tc, test_hmac, 0, ARRAY_SIZE(macs));
	tcase_add_loop_test(tc, test_base64, 0, ARRAY_SIZE(encoded));
	tcase_add_test(tc, test_base64url_encode);
	tcase_add_test(tc, test_fast_spreads);
	tcase_add_test(tc, test_fast_lengths);
	tcase_add_test(tc, test_equal);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
