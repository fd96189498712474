/*
 * verify_token JWKS: one verdict a line on standard output, `ok` or `refused REASON`, on each token
 * from standard input. A token is given in hexadecimal, one a line, so that it may hold any byte.
 * Signature and form are judged, claims are not.
 */
#include "common/auth/jwt.h"
#include "common/base/strbuf.h"

static int hex_digit(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* false at the end of the input */
static bool read_token(struct strbuf *token)
{
	int c;

	strbuf_reset(token);
	while ((c = getchar()) != EOF && c != '\n') {
		int high = hex_digit(c), low = hex_digit(getchar());

		ASSERT(high >= 0 && low >= 0);
		strbuf_append_char(token, (char)(high << 4 | low));
	}
	return c != EOF;
}

static struct jwk_set *read_keys(const char *path)
{
	struct strbuf text = STRBUF_INIT;
	FILE *f = fopen(path, "re");
	struct jwk_set *keys = NULL;
	struct err e = ERR_INIT;
	int c;

	if (f == NULL) {
		perror(path);
		return NULL;
	}
	while ((c = fgetc(f)) != EOF)
		strbuf_append_char(&text, (char)c);
	(void)fclose(f);
	if (jwk_set_parse(strbuf_slice(&text), &keys, &e) < 0)
		fprintf(stderr, "%s: %s\n", path, e.msg);
	strbuf_clear(&text);
	return keys;
}

int main(int argc, char **argv)
{
	struct strbuf token = STRBUF_INIT;
	struct jwk_set *keys = argc == 2 ? read_keys(argv[1]) : NULL;

	if (keys == NULL) {
		fprintf(stderr, "usage: verify_token JWKS <TOKENS\n");
		return EXIT_FAILURE;
	}
	while (read_token(&token)) {
		struct slice s = {strbuf_cstr(&token), token.len};
		struct json *claims = NULL;
		struct err e = ERR_INIT;

		if (jwt_verify(keys, s, &claims, &e) == 0)
			puts("ok");
		else
			printf("refused %s\n", e.msg);
		json_free(claims);
	}
	strbuf_clear(&token);
	jwk_set_free(keys);
	return EXIT_SUCCESS;
}
