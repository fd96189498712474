/* Result entries; see cache.h. */
#include "queryd/tenant/cache.h"

#include "common/dataversion.h"
#include "common/hash.h"
#include "common/xalloc.h"

#define ENTRY_MAX ((size_t)4 << 20) /* larger results are computed each time */

/* KEYS: the tenant's versions, the entry's name without them; ARGV: tables. One reply: the versions
 * joined with commas (nil when one is not known), then the entry (nil when there is none). */
#define LOOKUP                                                                \
	"local v = redis.call('HMGET', KEYS[1], unpack(ARGV)) "               \
	"for i = 1, #ARGV do if not v[i] then return {false, false} end end " \
	"local t = table.concat(v, ',') "                                     \
	"return {t, redis.call('GET', KEYS[2] .. t)}"

struct cache {
	struct redisq *redis;
	char ttl_ms[24];
	bool trusted;
};

struct lookup {
	cache_fn fn;
	void *arg;
};

/* A field of the hashed text: its length first, so that no two lists of fields are the same text.
 */
static void add_field(struct strbuf *b, struct slice s)
{
	strbuf_appendf(b, "%zu:", s.len);
	strbuf_append_slice(b, s);
}

static void digest_of(const struct cache_scope *s, bool paging, char out[CACHE_KEY_LEN + 1])
{
	struct strbuf text = STRBUF_INIT, normal = STRBUF_INIT;
	unsigned char digest[HASH_SHA256_LEN];

	add_field(&text, slice_of(s->tenant_id));
	add_field(&text, slice_of(s->properties));
	strbuf_appendf(&text, "%u;", s->permissions);
	request_normal_form(s->request, paging, &normal);
	add_field(&text, strbuf_slice(&normal));
	hash_sha256(strbuf_slice(&text), digest);
	hash_hex(digest, sizeof(digest), out);
	strbuf_clear(&normal);
	strbuf_clear(&text);
}

void cache_key(const struct cache_scope *s, char out[CACHE_KEY_LEN + 1])
{
	digest_of(s, true, out);
}

void cache_question(const struct cache_scope *s, char out[CACHE_KEY_LEN + 1])
{
	digest_of(s, false, out);
}

void cache_versions_text(const int64_t *versions, size_t n, char out[CACHE_VERSIONS_MAX])
{
	size_t at = 0;

	ASSERT(n <= CACHE_TABLES_MAX);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, CACHE_VERSIONS_MAX - at, "%s%lld",
				       i > 0 ? "," : "", (long long)versions[i]);
	ASSERT(at < CACHE_VERSIONS_MAX);
}

struct cache *cache_new(struct redisq *redis, int64_t ttl_ms)
{
	struct cache *c = xcalloc(1, sizeof(*c));

	c->redis = redis;
	(void)snprintf(c->ttl_ms, sizeof(c->ttl_ms), "%lld", (long long)ttl_ms);
	return c;
}

void cache_free(struct cache *c)
{
	free(c);
}

void cache_trust(struct cache *c, bool trusted)
{
	c->trusted = trusted;
}

static void on_looked_up(void *arg, int err, const struct redisq_reply *r)
{
	struct lookup *k = arg;
	const struct redisq_reply *versions, *value;
	char text[CACHE_VERSIONS_MAX];
	struct slice v;

	if (err < 0 || redisq_kind(r) != REDISQ_ARRAY || redisq_len(r) != 2) {
		k->fn(k->arg, CACHE_AWAY, "", (struct slice){NULL, 0});
		free(k);
		return;
	}
	versions = redisq_at(r, 0);
	value = redisq_at(r, 1);
	v = redisq_kind(versions) == REDISQ_STRING ? redisq_str(versions) : (struct slice){NULL, 0};
	if (v.len == 0 || v.len >= sizeof(text)) {
		k->fn(k->arg, CACHE_UNSURE, "", (struct slice){NULL, 0});
	} else {
		memcpy(text, v.ptr, v.len);
		text[v.len] = '\0';
		if (redisq_kind(value) == REDISQ_STRING)
			k->fn(k->arg, CACHE_HIT, text, redisq_str(value));
		else
			k->fn(k->arg, CACHE_MISS, text, (struct slice){NULL, 0});
	}
	free(k);
}

#define ENTRY_NAME_MAX (CACHE_KEY_LEN + 80)

/* "qr:<tenant>:<key>:", to which the versions are added. The tenant is in the key, too; here it is
 * so that etld finds what must go when the tenant is deleted. */
static void entry_name(const char *tenant_id, const char *key, char out[ENTRY_NAME_MAX])
{
	int n = snprintf(out, ENTRY_NAME_MAX, "qr:%s:%s:", tenant_id, key);

	ASSERT(n > 0 && n < ENTRY_NAME_MAX);
}

void cache_lookup(struct cache *c, const char *tenant_id, const char *const *tables,
		  const char *key, cache_fn fn, void *arg)
{
	struct slice argv[5 + CACHE_TABLES_MAX];
	char versions[64], entry[ENTRY_NAME_MAX];
	struct lookup *k;
	size_t n = 5;

	if (c->redis == NULL || !c->trusted || !redisq_up(c->redis)) {
		fn(arg, CACHE_AWAY, "", (struct slice){NULL, 0});
		return;
	}
	dataversion_key(tenant_id, versions, sizeof(versions));
	entry_name(tenant_id, key, entry);
	argv[0] = SLICE_LIT("EVAL");
	argv[1] = SLICE_LIT(LOOKUP);
	argv[2] = SLICE_LIT("2");
	argv[3] = slice_of(versions);
	argv[4] = slice_of(entry);
	for (; *tables != NULL; tables++) {
		ASSERT(n < ARRAY_SIZE(argv));
		argv[n++] = slice_of(*tables);
	}
	k = xcalloc(1, sizeof(*k));
	*k = (struct lookup){fn, arg};
	redisq_command(c->redis, argv, n, on_looked_up, k);
}

void cache_store(struct cache *c, const char *tenant_id, const char *const *tables,
		 const int64_t *versions, const char *key, struct slice value)
{
	char entry[ENTRY_NAME_MAX + CACHE_VERSIONS_MAX];
	size_t n = 0;

	if (c->redis == NULL || !redisq_up(c->redis) || value.len > ENTRY_MAX)
		return;
	for (; tables[n] != NULL; n++)
		dataversion_publish(c->redis, tenant_id, tables[n], versions[n]);
	entry_name(tenant_id, key, entry);
	cache_versions_text(versions, n, entry + strlen(entry));
	redisq_command(c->redis,
		       (const struct slice[]){SLICE_LIT("SET"), slice_of(entry), value,
					      SLICE_LIT("PX"), slice_of(c->ttl_ms)},
		       5, NULL, NULL);
}
