/*
 * L1: Ed25519 signatures over texts, on OpenSSL 3. A signer is made of one PEM key: with the
 * private key it signs and checks, with the public key alone it only checks.
 */
#ifndef COMMON_SIGN_H
#define COMMON_SIGN_H

#include "common/base/err.h"

#define SIGN_LEN        64 /* bytes of a signature, */
#define SIGN_TEXT_LEN   86 /* and as base64url */
#define SIGN_KEY_ID_LEN 16 /* hex digits that name a key: of the SHA-256 of its public half */

struct signer;

/* -EINVAL: `pem` holds no Ed25519 key (as `openssl genpkey -algorithm ed25519` writes it). */
int signer_new(struct slice pem, struct signer **ret, struct err *e) MUST_CHECK;
void signer_free(struct signer *s); /* NULL is fine */

bool signer_can_sign(const struct signer *s);
const char *signer_key_id(const struct signer *s);
/* Only of a signer that can. */
void signer_sign(const struct signer *s, struct slice text, unsigned char out[SIGN_LEN]);
bool signer_holds(const struct signer *s, struct slice text,
		  const unsigned char signature[SIGN_LEN]) MUST_CHECK;

#endif
