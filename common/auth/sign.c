/* Ed25519 on OpenSSL; see sign.h. */
#include "common/auth/sign.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/base/hash.h"
#include "common/base/xalloc.h"

#define PUBLIC_LEN 32

struct signer {
	EVP_PKEY *pkey;
	bool can_sign;
	char key_id[SIGN_KEY_ID_LEN + 1];
};

static EVP_PKEY *read_key(struct slice pem, bool *ret_private)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, pem.len > INT_MAX ? 0 : (int)pem.len);
	EVP_PKEY *pkey;

	ASSERT(bio != NULL);
	pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	*ret_private = pkey != NULL;
	if (pkey == NULL) {
		(void)BIO_reset(bio);
		pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	}
	BIO_free(bio);
	return pkey;
}

int signer_new(struct slice pem, struct signer **ret, struct err *e)
{
	unsigned char public[PUBLIC_LEN], sum[HASH_SHA256_LEN];
	char hex[2 * HASH_SHA256_LEN + 1];
	size_t len = sizeof(public);
	bool private;
	EVP_PKEY *pkey = read_key(pem, &private);
	struct signer *s;

	if (pkey == NULL || EVP_PKEY_is_a(pkey, "ED25519") != 1 ||
	    EVP_PKEY_get_raw_public_key(pkey, public, &len) != 1) {
		EVP_PKEY_free(pkey);
		return err_set(e, -EINVAL, "not an Ed25519 key in PEM");
	}
	hash_sha256((struct slice){(const char *)public, len}, sum);
	hash_hex(sum, sizeof(sum), hex);
	s = xcalloc(1, sizeof(*s));
	s->pkey = pkey;
	s->can_sign = private;
	memcpy(s->key_id, hex, SIGN_KEY_ID_LEN);
	*ret = s;
	return 0;
}

void signer_free(struct signer *s)
{
	if (s == NULL)
		return;
	EVP_PKEY_free(s->pkey);
	free(s);
}

bool signer_can_sign(const struct signer *s)
{
	return s->can_sign;
}

const char *signer_key_id(const struct signer *s)
{
	return s->key_id;
}

void signer_sign(const struct signer *s, struct slice text, unsigned char out[SIGN_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = SIGN_LEN;
	int ok;

	ASSERT(s->can_sign && ctx != NULL);
	ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->pkey) == 1 &&
	     EVP_DigestSign(ctx, out, &len, (const unsigned char *)text.ptr, text.len) == 1;
	ASSERT(ok && len == SIGN_LEN);
	EVP_MD_CTX_free(ctx);
}

bool signer_holds(const struct signer *s, struct slice text,
		  const unsigned char signature[SIGN_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool holds;

	ASSERT(ctx != NULL);
	holds = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, s->pkey) == 1 &&
		EVP_DigestVerify(ctx, signature, SIGN_LEN, (const unsigned char *)text.ptr,
				 text.len) == 1;
	EVP_MD_CTX_free(ctx);
	return holds;
}
