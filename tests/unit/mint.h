/*
 * Tokens and key sets for tests, made with OpenSSL: the other side of common/auth/jwk.c, written
 * apart from it. Everything appends to a strbuf; what cannot fail but for a bug asserts.
 */
#ifndef TESTS_MINT_H
#define TESTS_MINT_H

#include <openssl/evp.h>

#include "common/base/strbuf.h"

enum mint_kind { MINT_RSA, MINT_P256, MINT_ED25519, MINT_KINDS };

EVP_PKEY *mint_key(enum mint_kind kind); /* RSA: 2048 bits */
void mint_base64url(struct strbuf *out, const void *bytes, size_t len);
/* `,"name":"…"`: a number of the key, padded to len bytes unless 0. */
void mint_number(struct strbuf *out, const char *name, const EVP_PKEY *key, const char *param,
		 int len);
/* The public key as an element of a JWKS; a comma comes first unless it is the first. */
void mint_jwk(struct strbuf *out, const EVP_PKEY *key, enum mint_kind kind, const char *kid);
/* As JWS has it or, of an EC key, as OpenSSL makes it (DER). Returns the length. */
size_t mint_signature(EVP_PKEY *key, bool der, struct slice text, unsigned char out[1024]);
void mint_unsigned(struct strbuf *out, const char *header,
		   const char *payload); /* header.payload */
/* A whole token, in place of what `out` held. */
void mint_token(struct strbuf *out, EVP_PKEY *key, const char *header, const char *payload);

#endif
