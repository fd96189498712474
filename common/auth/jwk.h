/*
 * L3: public keys and the signatures they check, on OpenSSL 3, like hash.c and sign.c. A key
 * has exactly one algorithm, fixed by its type:
 *
 *	RSA of 2048 to 8192 bits -> RS256     EC P-256 -> ES256     OKP Ed25519 -> EdDSA
 *
 * What a token must look like is jwt.h's business.
 */
#ifndef COMMON_JWK_H
#define COMMON_JWK_H

#include "common/base/err.h"

#define JWK_SET_MAX       ((size_t)64 * 1024) /* bytes of a JWKS document */
#define JWK_SIGNATURE_MAX 1024                /* bytes: RSA of 8192 bits */

struct jwk_set;
struct jwk; /* one key, lives as long as its set */

/*
 * Reads a JWKS document. Keys of other types or uses (encryption, other curves or algorithms,
 * secrets) and keys without a kid are skipped. -EINVAL: nothing is left, a kid repeats, or one of
 * our keys is malformed, off its curve, or RSA of less than 2048 bits.
 */
int jwk_set_parse(struct slice jwks, struct jwk_set **ret, struct err *e) MUST_CHECK;
void jwk_set_free(struct jwk_set *set);
size_t jwk_set_count(const struct jwk_set *set);
const struct jwk *jwk_set_find(const struct jwk_set *set, const char *kid); /* or NULL */

const char *jwk_alg(const struct jwk *key); /* "RS256", "ES256", "EdDSA" */
/* The one length a signature of this key has: its modulus', or 64 (ES256: r and s, not DER). */
size_t jwk_signature_len(const struct jwk *key);
/* signature has jwk_signature_len bytes. */
bool jwk_signature_holds(const struct jwk *key, struct slice text,
			 const unsigned char *signature) MUST_CHECK;

#endif
