/* Result entries; see cache.h. */
#include "queryd/tenant/cache.h"

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "common/daemon/metrics.h"
#include "common/net/dataversion.h"

#define ENTRY_MAX ((size_t)4 << 20) /* larger results are computed each time */

/* KEYS: the tenant's versions, the entry's name without them; ARGV: the lease, its life in
 * milliseconds, tables. One reply: the versions joined with commas (nil when one is not known),
 * then the entry (nil when there is none), then whether the lease was given. */
#define LOOKUP                                                                          \
	"local lease, life = table.remove(ARGV, 1), table.remove(ARGV, 1) "             \
	"local v = redis.call('HMGET', KEYS[1], unpack(ARGV)) "                         \
	"for i = 1, #ARGV do if not v[i] then return {false, false, 0} end end "        \
	"local t = table.concat(v, ',') "                                               \
	"local e = redis.call('GET', KEYS[2] .. t) "                                    \
	"if e then return {t, e, 0} end "                                               \
	"if redis.call('SET', KEYS[2] .. t .. ':lease', lease, 'NX', 'PX', life) then " \
	"return {t, false, 1} end return {t, false, 0}"
/* KEYS: the lease's name; ARGV: the lease, how long it lives from now on (0: not at all). */
#define EXTEND                                                                                   \
	"if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) " \
	"end "                                                                                   \
	"return 1"
#define LEASE_MS_TEXT "1500"
#define LEASE_SUFFIX  ":lease"
#define MISS_NOTHING  ((struct cache_found){.outcome = CACHE_AWAY, .versions = "", .lease = ""})

_Static_assert(CACHE_LEASE_MS == 1500, "LEASE_MS_TEXT says the same");

/* Where a lookup ended, for its metric. */
enum where {
	SHELF,
	SHELF_OLD,
	REDIS_HIT,
	REDIS_MISS,
	REDIS_TAKEN,
	REDIS_UNSURE,
	AWAY,
	WHERE_COUNT
};

static const char *const where_names[WHERE_COUNT] = {
	[SHELF] = "shelf",     [SHELF_OLD] = "shelf_old", [REDIS_HIT] = "redis",
	[REDIS_MISS] = "miss", [REDIS_TAKEN] = "taken",   [REDIS_UNSURE] = "unsure",
	[AWAY] = "away",
};

struct cache {
	struct redisq *redis;
	struct versions *versions;
	struct shelf *shelf, *forms;
	char ttl_ms[24];
	struct metric *lookups[WHERE_COUNT], *shelf_bytes;
};

struct lookup {
	struct cache *cache;
	struct cache_name name;
	cache_fn fn;
	void *arg;
	bool shelf_only;
	char lease[ULID_LEN + 1];
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

struct cache *cache_new(struct redisq *redis, struct versions *versions, struct shelf *shelf,
			struct shelf *forms, int64_t ttl_ms)
{
	struct cache *c = xcalloc(1, sizeof(*c));
	struct metric_family *lookups;

	c->redis = redis;
	c->versions = versions;
	c->shelf = shelf;
	c->forms = forms;
	(void)snprintf(c->ttl_ms, sizeof(c->ttl_ms), "%lld", (long long)ttl_ms);
	lookups = metrics_counter_family("query_cache_lookups_total",
					 "Lookups of results by where they ended", "outcome");
	for (size_t i = 0; i < WHERE_COUNT; i++)
		c->lookups[i] = metrics_with(lookups, &where_names[i]);
	c->shelf_bytes = metrics_gauge("query_cache_bytes",
				       "Bytes of results that this process holds");
	return c;
}

void cache_close(struct cache *c)
{
	if (c != NULL)
		c->redis = NULL;
}

void cache_free(struct cache *c)
{
	free(c);
}

void cache_trust(struct cache *c, bool trusted)
{
	versions_trust(c->versions, trusted);
}

/* ---- names */

#define ENTRY_NAME_MAX (CACHE_KEY_LEN + CACHE_VERSIONS_MAX + 80)

/* "qr:<tenant>:<key>:" and the versions. The tenant is in the key, too; here it is so that what is
 * whose can be seen. */
static void entry_name(const struct cache_name *name, const char *versions, const char *suffix,
		       char out[ENTRY_NAME_MAX])
{
	int n = snprintf(out, ENTRY_NAME_MAX, "qr:%s:%s:%s%s", name->tenant_id, name->key, versions,
			 suffix);

	ASSERT(n > 0 && n < ENTRY_NAME_MAX);
}

/* ---- looking up */

static void count_bytes(struct cache *c)
{
	metric_set(c->shelf_bytes, (double)(shelf_bytes(c->shelf) + shelf_bytes(c->forms)));
}

static void put_on_shelf(struct cache *c, const struct cache_name *name, const char *versions,
			 struct slice value, struct shelf_age age)
{
	shelf_put(c->shelf, name->tenant_id, name->key, versions, value, age);
	count_bytes(c);
}

static void end_lookup(struct lookup *k, const struct cache_found *f, enum where where)
{
	metric_add(k->cache->lookups[where], 1);
	k->fn(k->arg, f);
	free(k);
}

/* What Redis said, as an outcome. */
static struct cache_found read_reply(const struct lookup *k, const struct redisq_reply *r,
				     char text[CACHE_VERSIONS_MAX])
{
	const struct redisq_reply *versions = redisq_at(r, 0), *value = redisq_at(r, 1);
	struct cache_found f = {.outcome = CACHE_UNSURE, .versions = "", .lease = ""};
	struct slice v = {NULL, 0};

	if (redisq_kind(versions) == REDISQ_STRING)
		v = redisq_str(versions);
	if (v.len == 0 || v.len >= CACHE_VERSIONS_MAX)
		return f;
	memcpy(text, v.ptr, v.len);
	text[v.len] = '\0';
	f.versions = text;
	if (redisq_kind(value) == REDISQ_STRING) {
		f.outcome = CACHE_HIT;
		f.value = redisq_str(value);
	} else if (redisq_int(redisq_at(r, 2)) == 1) {
		f.outcome = CACHE_MISS;
		f.lease = k->lease;
	} else {
		f.outcome = CACHE_TAKEN;
	}
	return f;
}

static void on_looked_up(void *arg, int err, const struct redisq_reply *r)
{
	static const enum where where[] = {[CACHE_HIT] = REDIS_HIT,
					   [CACHE_MISS] = REDIS_MISS,
					   [CACHE_TAKEN] = REDIS_TAKEN,
					   [CACHE_UNSURE] = REDIS_UNSURE};
	struct lookup *k = arg;
	char text[CACHE_VERSIONS_MAX];
	struct cache_found f;

	if (err < 0 || redisq_kind(r) != REDISQ_ARRAY || redisq_len(r) != 3) {
		end_lookup(k, &MISS_NOTHING, AWAY);
		return;
	}
	f = read_reply(k, r, text);
	if (f.outcome == CACHE_HIT)
		put_on_shelf(k->cache, &k->name, f.versions, f.value, (struct shelf_age){0, 0});
	end_lookup(k, &f, where[f.outcome]);
}

static void ask_redis(struct lookup *k)
{
	struct slice argv[7 + CACHE_TABLES_MAX];
	char versions[64], entry[ENTRY_NAME_MAX];
	size_t n = 7;

	dataversion_key(k->name.tenant_id, versions, sizeof(versions));
	entry_name(&k->name, "", "", entry);
	ulid_new(k->lease);
	argv[0] = SLICE_LIT("EVAL");
	argv[1] = SLICE_LIT(LOOKUP);
	argv[2] = SLICE_LIT("2");
	argv[3] = slice_of(versions);
	argv[4] = slice_of(entry);
	argv[5] = slice_of(k->lease);
	argv[6] = SLICE_LIT(LEASE_MS_TEXT);
	for (const char *const *t = k->name.tables; *t != NULL; t++) {
		ASSERT(n < ARRAY_SIZE(argv));
		argv[n++] = slice_of(*t);
	}
	redisq_command(k->cache->redis, argv, n, on_looked_up, k);
}

/* Not on the shelf as it is now. */
static void go_on(struct lookup *k, const char *versions)
{
	struct cache_found f = MISS_NOTHING;

	if (!k->shelf_only && versions_from_redis(k->cache->versions)) {
		ask_redis(k);
		return;
	}
	f.versions = versions;
	end_lookup(k, &f, k->shelf_only ? SHELF_OLD : AWAY);
}

static void on_versions(void *arg, enum versions_outcome outcome, const char *versions)
{
	struct lookup *k = arg;
	const struct shelf_entry *e = NULL;

	if (outcome == VERSIONS_KNOWN)
		e = shelf_find(k->cache->shelf, k->name.tenant_id, k->name.key);
	if (e != NULL && strcmp(e->versions, versions) == 0)
		end_lookup(k,
			   &(struct cache_found){.outcome = CACHE_HIT,
						 .versions = versions,
						 .value = e->value,
						 .lease = ""},
			   SHELF);
	else
		go_on(k, versions);
}

static void look_on_shelf(struct cache *c, const struct cache_name *name, bool shelf_only,
			  cache_fn fn, void *arg)
{
	struct lookup *k = xmalloc(sizeof(*k));

	*k = (struct lookup){
		.cache = c, .name = *name, .fn = fn, .arg = arg, .shelf_only = shelf_only};
	if (shelf_find(c->shelf, name->tenant_id, name->key) != NULL)
		versions_ask(c->versions, name->tenant_id, name->tables, on_versions, k);
	else
		go_on(k, "");
}

void cache_lookup(struct cache *c, const struct cache_name *name, cache_fn fn, void *arg)
{
	look_on_shelf(c, name, false, fn, arg);
}

bool cache_peek(struct cache *c, const struct cache_name *name, cache_fn fn, void *arg)
{
	if (shelf_find(c->shelf, name->tenant_id, name->key) == NULL)
		return false;
	look_on_shelf(c, name, true, fn, arg);
	return true;
}

const struct shelf_entry *cache_stale(struct cache *c, const struct cache_name *name,
				      int64_t max_ms)
{
	const struct shelf_entry *e = shelf_find(c->shelf, name->tenant_id, name->key);
	bool young = e != NULL && e->age.now_us != 0 &&
		     clock_mono_ms() - e->current_mono_ms <= max_ms;

	return young ? e : NULL;
}

void cache_confirm(struct cache *c, const struct cache_name *name, const char *versions,
		   struct shelf_age age)
{
	struct shelf_entry *e = shelf_find(c->shelf, name->tenant_id, name->key);

	if (e != NULL && strcmp(e->versions, versions) == 0)
		shelf_confirm(e, age);
}

/* ---- storing */

void cache_store(struct cache *c, const struct cache_name *name, const int64_t *versions,
		 struct slice value, struct shelf_age age)
{
	char entry[ENTRY_NAME_MAX], text[CACHE_VERSIONS_MAX];
	size_t n = 0;

	while (name->tables[n] != NULL)
		n++;
	cache_versions_text(versions, n, text);
	put_on_shelf(c, name, text, value, age);
	if (c->redis == NULL || !redisq_up(c->redis) || value.len > ENTRY_MAX)
		return;
	for (size_t i = 0; i < n; i++)
		dataversion_publish(c->redis, name->tenant_id, name->tables[i], versions[i]);
	entry_name(name, text, "", entry);
	redisq_command(c->redis,
		       (const struct slice[]){SLICE_LIT("SET"), slice_of(entry), value,
					      SLICE_LIT("PX"), slice_of(c->ttl_ms)},
		       5, NULL, NULL);
}

struct slice cache_form(struct cache *c, const char *tenant_id, const char *key,
			const char *versions)
{
	const struct shelf_entry *e = shelf_find(c->forms, tenant_id, key);

	return e != NULL && strcmp(e->versions, versions) == 0 ? e->value : (struct slice){NULL, 0};
}

void cache_keep_form(struct cache *c, const char *tenant_id, const char *key, const char *versions,
		     struct slice form)
{
	shelf_put(c->forms, tenant_id, key, versions, form, (struct shelf_age){0, 0});
	count_bytes(c);
}

void cache_forget(struct cache *c, const char *tenant_id)
{
	shelf_forget(c->shelf, tenant_id);
	shelf_forget(c->forms, tenant_id);
	count_bytes(c);
}

static void set_lease(struct cache *c, const struct cache_name *name, const char *versions,
		      const char *lease, struct slice life_ms)
{
	char entry[ENTRY_NAME_MAX];

	if (c->redis == NULL || !redisq_up(c->redis))
		return;
	entry_name(name, versions, LEASE_SUFFIX, entry);
	redisq_command(c->redis,
		       (const struct slice[]){SLICE_LIT("EVAL"), SLICE_LIT(EXTEND), SLICE_LIT("1"),
					      slice_of(entry), slice_of(lease), life_ms},
		       6, NULL, NULL);
}

void cache_extend(struct cache *c, const struct cache_name *name, const char *versions,
		  const char *lease)
{
	set_lease(c, name, versions, lease, SLICE_LIT(LEASE_MS_TEXT));
}

void cache_let_go(struct cache *c, const struct cache_name *name, const char *versions,
		  const char *lease)
{
	set_lease(c, name, versions, lease, SLICE_LIT("0"));
}
