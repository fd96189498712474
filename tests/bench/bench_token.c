/*
 * bench_token JWKS TOKEN: CPU time of a token that was verified a moment ago, beside its whole
 * verification.
 */
#include "common/auth/jwt.h"
#include "common/auth/tokcache.h"
#include "common/base/strbuf.h"
#include "tests/bench/turns.h"

struct subject {
	struct jwk_set *keys;
	struct slice token;
	struct tokcache *cache;
};

static const struct tokcache_now now = {.mono_ms = 1, .wall_s = 1};

static void run_verify(void *arg)
{
	struct subject *s = arg;
	struct json *claims = NULL;
	struct err e = ERR_INIT;
	int r = jwt_verify(s->keys, s->token, &claims, &e);

	ASSERT(r == 0);
	json_free(claims);
}

static void run_cached(void *arg)
{
	struct subject *s = arg;

	ASSERT(tokcache_find(s->cache, s->token, now) == s);
}

static void keep_value(void *arg, void *value)
{
	(void)arg;
	(void)value;
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
		fprintf(stderr, "bench_token: %s: %s\n", path, e.msg);
	strbuf_clear(&text);
	return keys;
}

int main(int argc, char **argv)
{
	static const struct candidate candidates[] = {{"cached", run_cached, 100000},
						      {"verified", run_verify, 200}};
	struct subject s = {.keys = argc == 3 ? read_keys(argv[1]) : NULL};

	if (s.keys == NULL) {
		fprintf(stderr, "usage: bench_token JWKS TOKEN\n");
		return 64;
	}
	s.token = slice_of(argv[2]);
	s.cache = tokcache_new(1000, keep_value, NULL);
	tokcache_put(s.cache, s.token, &s, INT64_MAX, now);
	turns_take(candidates, ARRAY_SIZE(candidates), &s);
	tokcache_free(s.cache);
	jwk_set_free(s.keys);
	return 0;
}
