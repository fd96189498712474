/*
 * L0: SHA-256, HMAC-SHA-256, hex and base64 on top of OpenSSL's libcrypto (its only users are jwk.c
 * and sign.c, too), and a fast keyed hash for in-memory tables.
 */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include "common/base/base.h"

#define HASH_SHA256_LEN 32

struct hash_sha256; /* running state */

void hash_sha256(struct slice s, unsigned char out[HASH_SHA256_LEN]);
struct hash_sha256 *hash_sha256_new(void) MUST_CHECK;
void hash_sha256_update(struct hash_sha256 *h, struct slice s);
/* Writes the digest and makes h ready for the next message. */
void hash_sha256_final(struct hash_sha256 *h, unsigned char out[HASH_SHA256_LEN]);
void hash_sha256_free(struct hash_sha256 *h);

void hash_hmac_sha256(struct slice key, struct slice msg, unsigned char out[HASH_SHA256_LEN]);
/* Lower-case hex, NUL-terminated: out holds 2 * len + 1 bytes. */
void hash_hex(const unsigned char *p, size_t len, char *out);
/* Strict decoding: no whitespace, padding exactly as the alphabet demands (std: required, url:
 * none), unused bits zero. out holds s.len * 3 / 4 + 3 bytes. -EINVAL otherwise. */
int hash_base64_decode(struct slice s, unsigned char *out, size_t *ret_len) MUST_CHECK;
int hash_base64url_decode(struct slice s, unsigned char *out, size_t *ret_len) MUST_CHECK;
/* base64url without padding, NUL-terminated: out holds (len * 4 + 2) / 3 + 1 bytes. */
void hash_base64url_encode(const void *p, size_t len, char *out);
/* Not cryptographic (FNV-style with a per-process random seed): for hash tables only. */
uint64_t hash_fast(struct slice s);
bool hash_equal_consttime(const void *a, const void *b, size_t len);

#endif
