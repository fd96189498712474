/*
 * jwk, jwt: no bytes make a token that the set accepts (nobody has its private keys), nothing a
 * token or a key set contains leads astray, and whatever claims are accepted have not ended. The
 * first byte chooses: 'k' a key set, 'c' claims, anything else begins a token.
 */
#include <errno.h>

#include "common/auth/jwt.h"

#define NOW_S INT64_C(1800000000)

/* Public keys whose private halves were thrown away. */
static const char SET[] =
	"{\"keys\":["
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"x\":\"QbQrEirIKQ-iXVj_"
	"mvdHajBs2tfgChuw1-58RVgnE-Y\"},"
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\","
	"\"x\":\"sdG7ZcYkc_y0WJD1nAeEaBkyw4_m2ZedZWXyQcVmSWs\","
	"\"y\":\"QIG9FHHk4ifV9BsqB8ybBouMETEKQAh4TDLAKe85T10\"},"
	"{\"kty\":\"RSA\",\"kid\":\"rsa\",\"e\":\"AQAB\",\"n\":"
	"\"oxB04SahVruQHihmlOhKbZsJahpR_GmXJHM_iNgjNYkrBGUuChD_m0SycOr-IDxTGPVBngifzJXf"
	"n0zORvQNadXg7B0AZ2_aEXkjaZ0VAhNvPax1p6towKyRGNJMPInXXkt2ikfEHqvd2aJQUar9mx8l"
	"-fDTOkFfVm1v2nq7_cqSfy_LvdSoxU6v4RIfFsboYNYCJToHSi_X9SM_i7I6utzn5V0gXXly_dUs"
	"3yPH47i2nr9gPMSmNoLMB0WSHhaaYBVIUKre0FdaEo1ldp5PWejxtUoI1LNcjTIf7WU0qxQC83Al"
	"Q6MeBjyfa22FLeKrKla43THqmc01dtYDlIG0BQ"
	"\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_set(struct slice text)
{
	struct jwk_set *set;
	struct err e = ERR_INIT;

	if (jwk_set_parse(text, &set, &e) < 0) {
		ASSERT(e.code == -EINVAL && e.msg[0] != '\0');
		return;
	}
	ASSERT(jwk_set_count(set) > 0);
	jwk_set_free(set);
}

static void check_claims(struct slice text)
{
	static const char *const issuers[] = {"i", NULL};
	struct jwt_expect any = {.now_s = NOW_S, .leeway_s = JWT_LEEWAY_S};
	struct jwt_expect ours = {issuers, "a", NOW_S, 0};
	struct json *claims;
	int64_t end_s;

	if (json_parse(text, JWT_TOKEN_MAX, &claims, NULL) < 0)
		return;
	if (jwt_check_claims(claims, &any, &end_s, NULL) == 0)
		ASSERT(end_s > NOW_S);
	if (jwt_check_claims(claims, &ours, &end_s, NULL) == 0)
		ASSERT(jwt_check_claims(claims, &any, &end_s, NULL) == 0);
	json_free(claims);
}

static void check_token(struct slice token)
{
	static struct jwk_set *set;
	struct json *claims;
	struct err e = ERR_INIT;
	int r;

	if (set == NULL)
		ASSERT(jwk_set_parse(SLICE_LIT(SET), &set, NULL) == 0);
	r = jwt_verify(set, token, &claims, &e);
	ASSERT((r == -EACCES || r == -ENOKEY) && e.code == r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = {(const char *)data, size};

	if (size > 0 && (data[0] == 'k' || data[0] == 'c')) {
		/* a copy of its own, so that a byte too far is noticed */
		char *copy = size > 1 ? malloc(size - 1) : NULL;

		s.len--;
		if (copy != NULL)
			memcpy(copy, data + 1, s.len);
		s.ptr = copy;
		data[0] == 'k' ? check_set(s) : check_claims(s);
		free(copy);
	} else {
		check_token(s);
	}
	return 0;
}
