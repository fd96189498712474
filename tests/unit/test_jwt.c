/* jwt: forged tokens and claims. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "common/auth/jwt.h"
#include "common/base/hash.h"
#include "tests/unit/mint.h"

#define CLAIMS "{\"sub\":\"usr_1\",\"admin\":false,\"exp\":4102444800}"

/* The set has these three; the attacker has three of his own. */
static EVP_PKEY *ours[MINT_KINDS], *theirs[MINT_KINDS];
static struct jwk_set *set;

static void setup(void)
{
	static const char *const kids[MINT_KINDS] = {"rsa", "ec", "ed"};
	struct strbuf b = STRBUF_INIT;
	struct err e;
	int r;

	strbuf_append_str(&b, "{\"keys\":[");
	for (int i = 0; i < MINT_KINDS; i++) {
		ours[i] = mint_key((enum mint_kind)i);
		theirs[i] = mint_key((enum mint_kind)i);
		mint_jwk(&b, ours[i], (enum mint_kind)i, kids[i]);
	}
	strbuf_append_str(&b, "]}");
	r = jwk_set_parse(strbuf_slice(&b), &set, &e);
	ck_assert_msg(r == 0, "%s", e.msg);
	ck_assert_uint_eq(jwk_set_count(set), 3);
	strbuf_clear(&b);
}

static void teardown(void)
{
	for (int i = 0; i < MINT_KINDS; i++) {
		EVP_PKEY_free(ours[i]);
		EVP_PKEY_free(theirs[i]);
	}
	jwk_set_free(set);
}

static int verify(struct slice token, struct err *e)
{
	struct json *claims = NULL;
	int r = jwt_verify(set, token, &claims, e);

	ck_assert((r == 0) == (claims != NULL));
	if (r == 0)
		ck_assert_int_eq(json_kind(claims), JSON_OBJECT);
	json_free(claims);
	return r;
}

/* ---- signatures that somebody else made */

static void sign_ours(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	unsigned char s[1024];

	(void)their;
	mint_base64url(t, s, mint_signature(our, false, (struct slice){t->ptr, t->len - 1}, s));
}

static void sign_theirs(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	(void)our;
	sign_ours(their, NULL, t);
}

static void sign_der(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	unsigned char s[1024];

	(void)their;
	mint_base64url(t, s, mint_signature(our, true, (struct slice){t->ptr, t->len - 1}, s));
}

static void sign_hmac(struct strbuf *t, struct slice key)
{
	unsigned char mac[HASH_SHA256_LEN];

	hash_hmac_sha256(key, (struct slice){t->ptr, t->len - 1}, mac);
	mint_base64url(t, mac, sizeof(mac));
}

static void sign_hmac_pem(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long len;

	(void)their;
	ck_assert_int_eq(PEM_write_bio_PUBKEY(bio, our), 1);
	len = BIO_get_mem_data(bio, &pem);
	sign_hmac(t, (struct slice){pem, (size_t)len});
	BIO_free(bio);
}

static void sign_hmac_modulus(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	unsigned char n[256];
	BIGNUM *bn = NULL;

	(void)their;
	ck_assert_int_eq(EVP_PKEY_get_bn_param(our, OSSL_PKEY_PARAM_RSA_N, &bn), 1);
	ck_assert_int_eq(BN_bn2binpad(bn, n, sizeof(n)), sizeof(n));
	BN_free(bn);
	sign_hmac(t, (struct slice){(const char *)n, sizeof(n)});
}

static void sign_hmac_empty(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	(void)our;
	(void)their;
	sign_hmac(t, (struct slice){NULL, 0});
}

static void sign_nothing(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	(void)our;
	(void)their;
	(void)t;
}

static void sign_zeros(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	unsigned char s[1024] = {0};

	(void)their;
	mint_base64url(t, s, EVP_PKEY_is_a(our, "RSA") == 1 ? 256 : 64);
}

/* r = 0 or s = 0 alone, the other half honest. */
static void sign_half(EVP_PKEY *our, struct strbuf *t, size_t zero_at)
{
	unsigned char s[1024];
	size_t len = mint_signature(our, false, (struct slice){t->ptr, t->len - 1}, s);

	memset(s + zero_at, 0, 32);
	mint_base64url(t, s, len);
}

static void sign_r0(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	(void)their;
	sign_half(our, t, 0);
}

static void sign_s0(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	(void)their;
	sign_half(our, t, 32);
}

/* EdDSA's s plus the group's order: the same number to a careless verifier. */
static void sign_s_plus_order(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	static const unsigned char order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a,       0x63,
						0x12, 0x58, 0xd6, 0x9c, 0xf7,       0xa2,
						0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
	unsigned char s[1024];
	size_t len = mint_signature(our, false, (struct slice){t->ptr, t->len - 1}, s);
	unsigned carry = 0;

	(void)their;
	for (size_t i = 0; i < 32; i++) {
		carry += (unsigned)s[32 + i] + order[i];
		s[32 + i] = (unsigned char)carry;
		carry >>= 8;
	}
	mint_base64url(t, s, len);
}

static void sign_short(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	unsigned char s[1024];

	(void)their;
	mint_base64url(t, s, mint_signature(our, false, (struct slice){t->ptr, t->len - 1}, s) - 1);
}

static void sign_long(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	unsigned char s[1024] = {0};

	(void)their;
	mint_base64url(t, s, mint_signature(our, false, (struct slice){t->ptr, t->len - 1}, s) + 1);
}

static void sign_marker(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t)
{
	(void)our;
	(void)their;
	strbuf_append_str(t, "SIGNATURE_REMOVED_BY_GOOGLE");
}

/* ---- what happens to the finished token */

static void add_padding(struct strbuf *t)
{
	strbuf_append_str(t, "==");
}

static void add_newline(struct strbuf *t)
{
	strbuf_append_char(t, '\n');
}

static void add_nul(struct strbuf *t)
{
	strbuf_append_char(t, '\0');
}

static void add_part(struct strbuf *t)
{
	strbuf_append_str(t, ".e30");
}

static void add_dot(struct strbuf *t)
{
	strbuf_append_char(t, '.');
}

static void newline_inside(struct strbuf *t)
{
	t->ptr[t->len - 5] = '\n';
}

/* Another last digit that differs only in bits a lax decoder throws away. */
static void spare_bits(struct strbuf *t)
{
	t->ptr[t->len - 1]++;
}

static void flip_claim(struct strbuf *t)
{
	char *payload = memchr(t->ptr, '.', t->len);
	struct strbuf changed = STRBUF_INIT;

	mint_base64url(&changed, "{\"sub\":\"usr_1\",\"admin\":true ,", 29);
	memcpy(payload + 1, changed.ptr, 38); /* the last digit would share bits */
	strbuf_clear(&changed);
}

static void drop_signature(struct strbuf *t)
{
	while (t->ptr[t->len - 1] != '.')
		t->len--;
	t->len--;
}

#define R "{\"alg\":\"RS256\",\"kid\":\"rsa\"}"
#define P "{\"alg\":\"ES256\",\"kid\":\"ec\"}"
#define D "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}"

static const struct {
	const char *name;
	int expected;
	enum mint_kind kind;
	const char *header;
	void (*sign)(EVP_PKEY *our, EVP_PKEY *their, struct strbuf *t);
	void (*change)(struct strbuf *t);
	const char *payload; /* NULL: CLAIMS */
} vectors[] = {
	{"RS256", 0, MINT_RSA, R, sign_ours, NULL, NULL},
	{"ES256", 0, MINT_P256, P, sign_ours, NULL, NULL},
	{"EdDSA", 0, MINT_ED25519, D, sign_ours, NULL, NULL},
	{"any typ", 0, MINT_RSA, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":7}", sign_ours, NULL,
	 NULL},
	{"spaces in the header", 0, MINT_RSA, " { \"kid\" : \"rsa\", \"alg\":\"RS256\" }\n",
	 sign_ours, NULL, NULL},
	{"empty claims", 0, MINT_P256, P, sign_ours, NULL, "{}"},

	/* the algorithm */
	{"none", -EACCES, MINT_RSA, "{\"alg\":\"none\",\"kid\":\"rsa\"}", sign_nothing, NULL, NULL},
	{"nOnE", -EACCES, MINT_RSA, "{\"alg\":\"nOnE\",\"kid\":\"rsa\"}", sign_nothing, NULL, NULL},
	{"none, signed", -EACCES, MINT_RSA, "{\"alg\":\"none\",\"kid\":\"rsa\"}", sign_ours, NULL,
	 NULL},
	{"none, no kid", -EACCES, MINT_RSA, "{\"alg\":\"none\"}", sign_nothing, NULL, NULL},
	{"HS256 with our PEM", -EACCES, MINT_RSA, "{\"alg\":\"HS256\",\"kid\":\"rsa\"}",
	 sign_hmac_pem, NULL, NULL},
	{"HS256 with the modulus", -EACCES, MINT_RSA, "{\"alg\":\"HS256\",\"kid\":\"rsa\"}",
	 sign_hmac_modulus, NULL, NULL},
	{"HS256 with an empty key", -EACCES, MINT_RSA, "{\"alg\":\"HS256\",\"kid\":\"rsa\"}",
	 sign_hmac_empty, NULL, NULL},
	{"RS256 that is an HMAC", -EACCES, MINT_RSA, R, sign_hmac_pem, NULL, NULL},
	{"alg of another key", -EACCES, MINT_P256, "{\"alg\":\"RS256\",\"kid\":\"ec\"}", sign_ours,
	 NULL, NULL},
	{"RS512", -EACCES, MINT_RSA, "{\"alg\":\"RS512\",\"kid\":\"rsa\"}", sign_ours, NULL, NULL},
	{"PS256", -EACCES, MINT_RSA, "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", sign_ours, NULL, NULL},
	{"rs256", -EACCES, MINT_RSA, "{\"alg\":\"rs256\",\"kid\":\"rsa\"}", sign_ours, NULL, NULL},
	{"no alg", -EACCES, MINT_RSA, "{\"kid\":\"rsa\"}", sign_ours, NULL, NULL},
	{"alg is a list", -EACCES, MINT_RSA, "{\"alg\":[\"RS256\"],\"kid\":\"rsa\"}", sign_ours,
	 NULL, NULL},
	{"two algs", -EACCES, MINT_RSA, "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}",
	 sign_ours, NULL, NULL},
	{"two algs, escaped", -EACCES, MINT_RSA,
	 "{\"alg\":\"RS256\",\"\\u0061lg\":\"none\",\"kid\":\"rsa\"}", sign_ours, NULL, NULL},

	/* the key */
	{"attacker's RSA key", -EACCES, MINT_RSA, R, sign_theirs, NULL, NULL},
	{"attacker's P-256 key", -EACCES, MINT_P256, P, sign_theirs, NULL, NULL},
	{"attacker's Ed25519 key", -EACCES, MINT_ED25519, D, sign_theirs, NULL, NULL},
	{"embedded jwk", -EACCES, MINT_ED25519,
	 "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"jwk\":{THEIRS}}", sign_theirs, NULL, NULL},
	{"embedded jwk, no kid", -EACCES, MINT_ED25519, "{\"alg\":\"EdDSA\",\"jwk\":{THEIRS}}",
	 sign_theirs, NULL, NULL},
	{"jwk, jku, x5u and x5c mean nothing", 0, MINT_RSA,
	 "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jwk\":{},\"jku\":\"http://127.0.0.1:1/\",\"x5u\":1,"
	 "\"x5c\":[]}",
	 sign_ours, NULL, NULL},
	{"unknown kid", -ENOKEY, MINT_RSA, "{\"alg\":\"RS256\",\"kid\":\"rs\"}", sign_ours, NULL,
	 NULL},
	{"no kid", -EACCES, MINT_RSA, "{\"alg\":\"RS256\"}", sign_ours, NULL, NULL},
	{"kid is a number", -EACCES, MINT_RSA, "{\"alg\":\"RS256\",\"kid\":1}", sign_ours, NULL,
	 NULL},

	/* the header */
	{"crit", -EACCES, MINT_RSA, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"x\"],\"x\":1}",
	 sign_ours, NULL, NULL},
	{"empty crit", -EACCES, MINT_RSA, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[]}",
	 sign_ours, NULL, NULL},
	{"b64", -EACCES, MINT_RSA, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"b64\":true}", sign_ours,
	 NULL, NULL},
	{"zip", -EACCES, MINT_RSA, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"zip\":\"DEF\"}", sign_ours,
	 NULL, NULL},
	{"header is a list", -EACCES, MINT_RSA, "[" R "]", sign_ours, NULL, NULL},
	{"header is no JSON", -EACCES, MINT_RSA, R "}", sign_ours, NULL, NULL},
	{"header is empty", -EACCES, MINT_RSA, "", sign_ours, NULL, NULL},
	{"header is not UTF-8", -EACCES, MINT_RSA,
	 "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x\":\"\xc3\"}", sign_ours, NULL, NULL},
	{"kid with a zero character", -EACCES, MINT_RSA,
	 "{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000x\"}", sign_ours, NULL, NULL},

	/* the payload */
	{"payload is a list", -EACCES, MINT_RSA, R, sign_ours, NULL, "[]"},
	{"payload is no JSON", -EACCES, MINT_RSA, R, sign_ours, NULL, "{\"exp\":1,}"},
	{"payload is empty", -EACCES, MINT_RSA, R, sign_ours, NULL, ""},
	{"a claim twice", -EACCES, MINT_RSA, R, sign_ours, NULL, "{\"exp\":1,\"exp\":2}"},

	/* the signature */
	{"empty signature", -EACCES, MINT_RSA, R, sign_nothing, NULL, NULL},
	{"zeros, RS256", -EACCES, MINT_RSA, R, sign_zeros, NULL, NULL},
	{"r = s = 0", -EACCES, MINT_P256, P, sign_zeros, NULL, NULL},
	{"r = 0", -EACCES, MINT_P256, P, sign_r0, NULL, NULL},
	{"s = 0", -EACCES, MINT_P256, P, sign_s0, NULL, NULL},
	{"zeros, EdDSA", -EACCES, MINT_ED25519, D, sign_zeros, NULL, NULL},
	{"s + order, EdDSA", -EACCES, MINT_ED25519, D, sign_s_plus_order, NULL, NULL},
	{"ES256 as DER", -EACCES, MINT_P256, P, sign_der, NULL, NULL},
	{"a byte short, RS256", -EACCES, MINT_RSA, R, sign_short, NULL, NULL},
	{"a byte long, RS256", -EACCES, MINT_RSA, R, sign_long, NULL, NULL},
	{"a byte short, ES256", -EACCES, MINT_P256, P, sign_short, NULL, NULL},
	{"a byte long, ES256", -EACCES, MINT_P256, P, sign_long, NULL, NULL},
	{"a byte long, EdDSA", -EACCES, MINT_ED25519, D, sign_long, NULL, NULL},
	{"Google's marker", -EACCES, MINT_RSA, R, sign_marker, NULL, NULL},

	/* the form */
	{"== at the end", -EACCES, MINT_RSA, R, sign_ours, add_padding, NULL},
	{"newline at the end", -EACCES, MINT_P256, P, sign_ours, add_newline, NULL},
	{"newline inside", -EACCES, MINT_P256, P, sign_ours, newline_inside, NULL},
	{"zero byte at the end", -EACCES, MINT_P256, P, sign_ours, add_nul, NULL},
	{"spare bits, RS256", -EACCES, MINT_RSA, R, sign_ours, spare_bits, NULL},
	{"spare bits, EdDSA", -EACCES, MINT_ED25519, D, sign_ours, spare_bits, NULL},
	{"four parts", -EACCES, MINT_RSA, R, sign_ours, add_part, NULL},
	{"a dot at the end", -EACCES, MINT_RSA, R, sign_ours, add_dot, NULL},
	{"two parts", -EACCES, MINT_RSA, R, sign_ours, drop_signature, NULL},
	{"flipped claim", -EACCES, MINT_RSA, R, sign_ours, flip_claim, NULL},
};

/* The header with the attacker's key in place of {THEIRS}. */
static char *fill(const char *header, enum mint_kind kind)
{
	const char *hole = strstr(header, "{THEIRS}");
	struct strbuf b = STRBUF_INIT;

	if (hole == NULL)
		return strbuf_append_str(&b, header), strbuf_take(&b);
	strbuf_append(&b, header, (size_t)(hole - header));
	mint_jwk(&b, theirs[kind], kind, "ed");
	strbuf_append_str(&b, hole + strlen("{THEIRS}"));
	return strbuf_take(&b);
}

START_TEST(test_vector)
{
	enum mint_kind kind = vectors[_i].kind;
	char *header = fill(vectors[_i].header, kind);
	struct strbuf t = STRBUF_INIT;
	struct err e = ERR_INIT;
	int r;

	mint_unsigned(&t, header, vectors[_i].payload != NULL ? vectors[_i].payload : CLAIMS);
	strbuf_append_char(&t, '.');
	vectors[_i].sign(ours[kind], theirs[kind], &t);
	if (vectors[_i].change != NULL)
		vectors[_i].change(&t);
	r = verify(strbuf_slice(&t), &e);
	ck_assert_msg(r == vectors[_i].expected, "%s: %d, %s", vectors[_i].name, r, e.msg);
	ck_assert((r == 0) == (e.msg[0] == '\0'));
	free(header);
	strbuf_clear(&t);
}
END_TEST

/* Whatever single byte changes, and wherever the token is cut, it is refused. */
START_TEST(test_every_byte)
{
	static const char *const headers[MINT_KINDS] = {R, P, D};
	struct strbuf t = STRBUF_INIT;

	mint_token(&t, ours[_i], headers[_i], CLAIMS);
	ck_assert_int_eq(verify(strbuf_slice(&t), NULL), 0);
	for (size_t i = 0; i < t.len; i++) {
		char was = t.ptr[i];

		t.ptr[i] = was == 'A' ? 'B' : 'A';
		ck_assert_int_lt(verify(strbuf_slice(&t), NULL), 0);
		t.ptr[i] = '.';
		ck_assert(was == '.' || verify(strbuf_slice(&t), NULL) < 0);
		t.ptr[i] = was;
		ck_assert_int_lt(verify((struct slice){t.ptr, i}, NULL), 0);
	}
	strbuf_clear(&t);
}
END_TEST

/* JWT_TOKEN_MAX is allowed, one byte more is not. */
START_TEST(test_length)
{
	struct strbuf claims = STRBUF_INIT, t = STRBUF_INIT;

	for (size_t pad = 12000; t.len <= JWT_TOKEN_MAX; pad++) {
		strbuf_reset(&claims);
		strbuf_appendf(&claims, "{\"x\":\"%0*d\"}", (int)pad, 0);
		mint_token(&t, ours[MINT_P256], P, strbuf_cstr(&claims));
		ck_assert((verify(strbuf_slice(&t), NULL) == 0) == (t.len <= JWT_TOKEN_MAX));
	}
	ck_assert_int_lt(verify((struct slice){NULL, 0}, NULL), 0);
	ck_assert_int_lt(verify(SLICE_LIT("."), NULL), 0);
	ck_assert_int_lt(verify(SLICE_LIT(".."), NULL), 0);
	strbuf_clear(&claims);
	strbuf_clear(&t);
}
END_TEST

/* ---- claims, now is second 10000 */

#define OK "\"exp\":20000"

static const struct {
	const char *claims;
	bool ok;
} claims[] = {
	{"{" OK "}", true},
	{"{\"exp\":9941}", true},
	{"{\"exp\":9940}", false},
	{"{\"exp\":0}", false},
	{"{\"exp\":-1}", false},
	{"{}", false},
	{"{\"exp\":\"20000\"}", false},
	{"{\"exp\":20000.5}", false},
	{"{\"exp\":20000.0}", true},
	{"{\"exp\":2e4}", true},
	{"{\"exp\":1e300}", false},
	{"{\"exp\":9007199254740992}", true},
	{"{\"exp\":9007199254740994}", false},
	{"{\"exp\":null}", false},
	{"{\"exp\":true}", false},
	{"{\"exp\":[20000]}", false},
	{"{" OK ",\"nbf\":10060}", true},
	{"{" OK ",\"nbf\":10061}", false},
	{"{" OK ",\"nbf\":\"1\"}", false},
	{"{" OK ",\"nbf\":null}", false},
	{"{" OK ",\"nbf\":-1}", false},
	{"{" OK ",\"iat\":10060}", true},
	{"{" OK ",\"iat\":10061}", false},
	{"{" OK ",\"iat\":1.5}", false},
};

static const struct {
	const char *claims;
	bool ok;
} addressed[] = {
	{"{" OK ",\"iss\":\"i1\",\"aud\":\"a\"}", true},
	{"{" OK ",\"iss\":\"i2\",\"aud\":\"a\"}", true},
	{"{" OK ",\"iss\":\"i2\",\"aud\":[\"b\",\"a\"]}", true},
	{"{" OK ",\"iss\":\"i3\",\"aud\":\"a\"}", false},
	{"{" OK ",\"iss\":[\"i1\"],\"aud\":\"a\"}", false},
	{"{" OK ",\"iss\":\"I1\",\"aud\":\"a\"}", false},
	{"{" OK ",\"iss\":\"\",\"aud\":\"a\"}", false},
	{"{" OK ",\"aud\":\"a\"}", false},
	{"{" OK ",\"iss\":\"i1\"}", false},
	{"{" OK ",\"iss\":\"i1\",\"aud\":\"ab\"}", false},
	{"{" OK ",\"iss\":\"i1\",\"aud\":\"\"}", false},
	{"{" OK ",\"iss\":\"i1\",\"aud\":[]}", false},
	{"{" OK ",\"iss\":\"i1\",\"aud\":[[\"a\"]]}", false},
	{"{" OK ",\"iss\":\"i1\",\"aud\":{\"a\":\"a\"}}", false},
	{"{" OK ",\"iss\":\"i1\",\"aud\":null}", false},
};

static int check(const char *text, const struct jwt_expect *x, int64_t *end)
{
	struct json *j = NULL;
	struct err e = ERR_INIT;
	int r;

	ck_assert_int_eq(json_parse(slice_of(text), 1000, &j, NULL), 0);
	r = jwt_check_claims(j, x, end, &e);
	ck_assert((r == 0) == (e.msg[0] == '\0'));
	json_free(j);
	return r;
}

START_TEST(test_claims)
{
	struct jwt_expect x = {.now_s = 10000, .leeway_s = 60};
	int64_t end = -1;
	int r = check(claims[_i].claims, &x, &end);

	ck_assert_msg(r == (claims[_i].ok ? 0 : -EACCES), "%s", claims[_i].claims);
	ck_assert((end > x.now_s) == claims[_i].ok);
}
END_TEST

START_TEST(test_addressed)
{
	static const char *const issuers[] = {"i1", "i2", NULL};
	struct jwt_expect x = {issuers, "a", 10000, 60};
	int64_t end;

	ck_assert_msg(check(addressed[_i].claims, &x, &end) == (addressed[_i].ok ? 0 : -EACCES),
		      "%s", addressed[_i].claims);
}
END_TEST

START_TEST(test_leeway)
{
	struct jwt_expect x = {.now_s = 10000, .leeway_s = 0};
	int64_t end;

	ck_assert_int_eq(check("{\"exp\":10001}", &x, &end), 0);
	ck_assert_int_eq(end, 10001);
	ck_assert_int_eq(check("{\"exp\":10000}", &x, &end), -EACCES);
	x.leeway_s = 5;
	ck_assert_int_eq(check("{\"exp\":10000}", &x, &end), 0);
	ck_assert_int_eq(end, 10005);
}
END_TEST

/* ---- where the platform has verified */

#define H64 "eyJhbGciOiJSUzI1NiIsImtpZCI6ImdvbmUifQ" /* {"alg":"RS256","kid":"gone"} */
#define P64 "eyJzdWIiOiJ4In0"                        /* {"sub":"x"} */

static const struct {
	const char *token;
	int result;
} marks[] = {
	{H64 "." P64 "." JWT_PLATFORM_MARK, 0},
	{H64 "." P64 "." JWT_PLATFORM_MARK "x", -EACCES},
	{H64 "." P64 ".signature_removed_by_google", -EACCES},
	{H64 "." P64 ".", -EACCES},
	{H64 "." P64, -EACCES},
	{H64 "." P64 "." JWT_PLATFORM_MARK ".", -EACCES},
	{H64 "." P64 "=." JWT_PLATFORM_MARK, -EACCES},
	{H64 "..x." JWT_PLATFORM_MARK, -EACCES},
	{"." P64 "." JWT_PLATFORM_MARK, -EACCES},
	{H64 ".W10." JWT_PLATFORM_MARK, -EACCES}, /* [] */
	{"..", -EACCES},
	{"", -EACCES},
};

START_TEST(test_marked)
{
	struct json *said = NULL;
	struct err e = ERR_INIT;

	ck_assert_int_eq(jwt_read_marked(slice_of(marks[_i].token), &said, &e), marks[_i].result);
	ck_assert((marks[_i].result == 0) == (said != NULL));
	if (said != NULL)
		ck_assert(json_is(json_get(said, "sub"), "x"));
	json_free(said);
}
END_TEST

START_TEST(test_bearer)
{
	struct slice token;

	ck_assert(jwt_bearer("Bearer abc", &token) && slice_eq_str(token, "abc"));
	ck_assert(jwt_bearer("bearer   a.b", &token) && slice_eq_str(token, "a.b"));
	ck_assert(!jwt_bearer(NULL, &token));
	ck_assert(!jwt_bearer("", &token));
	ck_assert(!jwt_bearer("Bearer", &token));
	ck_assert(!jwt_bearer("Bearer ", &token));
	ck_assert(!jwt_bearer("Basic abc", &token));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jwt");
	TCase *tc = tcase_create("tokens");

	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, test_vector, 0, ARRAY_SIZE(vectors));
	tcase_add_loop_test(tc, test_every_byte, 0, MINT_KINDS);
	tcase_add_test(tc, test_length);
	suite_add_tcase(s, tc);
	tc = tcase_create("claims");
	tcase_add_loop_test(tc, test_claims, 0, ARRAY_SIZE(claims));
	tcase_add_loop_test(tc, test_addressed, 0, ARRAY_SIZE(addressed));
	tcase_add_test(tc, test_leeway);
	suite_add_tcase(s, tc);
	tc = tcase_create("marked");
	tcase_add_loop_test(tc, test_marked, 0, ARRAY_SIZE(marks));
	tcase_add_test(tc, test_bearer);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
