/*
 * Digests and encodings; see hash.h. SHA-256 is fetched from OpenSSL once (an implicit fetch for
 * each digest costs more than hashing a short text). libcrypto failing here means no memory or a
 * broken installation: a bug, not an error.
 */
#include "common/base/hash.h"

#include <errno.h>
#include <limits.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base/xalloc.h"

struct hash_sha256 {
	EVP_MD_CTX *ctx;
};

static const EVP_MD *sha256(void)
{
	static EVP_MD *md; /* for the life of the process */

	if (md == NULL)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	ASSERT(md != NULL);
	return md;
}

void hash_sha256(struct slice s, unsigned char out[HASH_SHA256_LEN])
{
	int ok = EVP_Digest(s.ptr, s.len, out, NULL, sha256(), NULL);

	ASSERT(ok == 1);
}

struct hash_sha256 *hash_sha256_new(void)
{
	struct hash_sha256 *h = xmalloc(sizeof(*h));

	h->ctx = EVP_MD_CTX_new();
	ASSERT(h->ctx != NULL && EVP_DigestInit_ex2(h->ctx, sha256(), NULL) == 1);
	return h;
}

void hash_sha256_update(struct hash_sha256 *h, struct slice s)
{
	int ok = EVP_DigestUpdate(h->ctx, s.ptr, s.len);

	ASSERT(ok == 1);
}

void hash_sha256_final(struct hash_sha256 *h, unsigned char out[HASH_SHA256_LEN])
{
	int ok = EVP_DigestFinal_ex(h->ctx, out, NULL);

	ASSERT(ok == 1);
	ok = EVP_DigestInit_ex2(h->ctx, NULL, NULL);
	ASSERT(ok == 1);
}

void hash_sha256_free(struct hash_sha256 *h)
{
	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void hash_hmac_sha256(struct slice key, struct slice msg, unsigned char out[HASH_SHA256_LEN])
{
	const unsigned char *p;

	ASSERT(key.len <= INT_MAX);
	p = HMAC(sha256(), key.len != 0 ? key.ptr : "", (int)key.len,
		 (const unsigned char *)msg.ptr, msg.len, out, NULL);
	ASSERT(p != NULL);
}

void hash_hex(const unsigned char *p, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
}

/* Value of a base64 digit, the last two given; -1: not one. */
static int base64_value(char c, char c62, char c63)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == c62 ? 62 : c == c63 ? 63 : -1;
}

/* s without padding. */
static int decode(struct slice s, char c62, char c63, unsigned char *out, size_t *ret_len)
{
	unsigned bits = 0, nbits = 0;
	size_t n = 0;

	if (s.len % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		int v = base64_value(s.ptr[i], c62, c63);

		if (v < 0)
			return -EINVAL;
		bits = bits << 6 | (unsigned)v;
		nbits += 6;
		if (nbits >= 8) {
			nbits -= 8;
			out[n++] = (unsigned char)(bits >> nbits);
			bits &= (1U << nbits) - 1;
		}
	}
	if (bits != 0)
		return -EINVAL;
	*ret_len = n;
	return 0;
}

int hash_base64_decode(struct slice s, unsigned char *out, size_t *ret_len)
{
	if (s.len % 4 != 0)
		return -EINVAL;
	for (int padding = 0; padding < 2 && s.len > 0 && s.ptr[s.len - 1] == '='; padding++)
		s.len--;
	return decode(s, '+', '/', out, ret_len);
}

int hash_base64url_decode(struct slice s, unsigned char *out, size_t *ret_len)
{
	return decode(s, '-', '_', out, ret_len);
}

void hash_base64url_encode(const void *p, size_t len, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *in = p;
	unsigned bits = 0, nbits = 0;

	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | in[i]) & 0xffffU;
		for (nbits += 8; nbits >= 6; nbits -= 6)
			*out++ = digits[bits >> (nbits - 6) & 63U];
	}
	if (nbits > 0)
		*out++ = digits[bits << (6 - nbits) & 63U];
	*out = '\0';
}

/* Both halves of the 128-bit product: every input bit reaches every output bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

uint64_t hash_fast(struct slice s)
{
	static uint64_t seed[2]; /* the peer must not be able to choose colliding keys */
	uint64_t h;
	size_t i;

	while (seed[0] == 0) {
		ssize_t n = getrandom(seed, sizeof(seed), 0);

		ASSERT(n == (ssize_t)sizeof(seed));
		seed[1] |= 1;
	}
	h = seed[0] ^ s.len;
	for (i = 0; s.len - i > 8; i += 8)
		h = mix(h ^ load(s.ptr + i, 8), UINT64_C(0x9e3779b97f4a7c15) ^ seed[1]);
	if (s.len > i)
		h ^= load(s.ptr + i, s.len - i);
	return mix(mix(h, UINT64_C(0xd6e8feb86659fd93) ^ seed[1]), UINT64_C(0xa0761d6478bd642f));
}

bool hash_equal_consttime(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}
