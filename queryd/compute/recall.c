/*
 * A table with one place a hash: a newer question takes the place of the one that is there; see
 * recall.h.
 */
#include "queryd/compute/recall.h"

#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "queryd/compute/answer.h"
#include "queryd/compute/compute.h"
#include "queryd/tenant/caller.h"

#define PLACES       2048
#define TEXT_MAX     ((size_t)4096)
#define PROPERTY_MAX 64

/* What must still hold for it. */
struct circumstances {
	uint64_t platform, own; /* definitions */
	int32_t today;
	int week_start;
};

struct place {
	char *text; /* NULL: free */
	size_t len;
	struct circumstances then;
	char property[PROPERTY_MAX]; /* "": the tenant's date */
	struct recalled what;
};

struct recall {
	struct place places[PLACES];
	char text[TEXT_MAX];
};

struct recall *recall_new(void)
{
	return xcalloc(1, sizeof(struct recall));
}

void recall_free(struct recall *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < PLACES; i++)
		free(r->places[i].text);
	free(r);
}

static char *put(char *at, const void *p, size_t n)
{
	memcpy(at, p, n);
	return at + n;
}

/* The asker, with the NUL of each text, then the text; into r->text. len 0: it is too long. */
static struct slice whole_text(struct recall *r, const struct principal *p, struct slice text)
{
	size_t tenant = strlen(p->tenant_id) + 1, scope = strlen(p->scope) + 1;
	char *at = r->text;

	if (text.len > TEXT_MAX || scope > TEXT_MAX ||
	    tenant + scope + sizeof(p->permissions) + text.len > TEXT_MAX)
		return (struct slice){NULL, 0};
	at = put(at, p->tenant_id, tenant);
	at = put(at, p->scope, scope);
	at = put(at, &p->permissions, sizeof(p->permissions));
	at = put(at, text.ptr, text.len);
	return (struct slice){r->text, (size_t)(at - r->text)};
}

static struct circumstances now(const struct call *c, const char *property)
{
	return (struct circumstances){
		.platform = metric_set_serial(registry_metrics(c->st->registry)),
		.own = metric_set_serial(tenant_metrics(c->tenant)),
		.today = tenant_today(c->tenant, property[0] != '\0' ? property : NULL),
		.week_start = tenant_week_start(c->tenant)};
}

static bool same(struct circumstances a, struct circumstances b)
{
	return a.platform == b.platform && a.own == b.own && a.today == b.today &&
	       a.week_start == b.week_start;
}

const struct recalled *recall_find(struct recall *r, const struct call *c, struct slice text)
{
	struct slice whole = whole_text(r, c->principal, text);
	/* a tenant with data elsewhere: whether the window can be read is judged each time */
	bool movable = tenant_residency(c->tenant) != NULL;
	const struct place *at = &r->places[hash_fast(whole) % PLACES];

	if (whole.len == 0 || movable || at->text == NULL ||
	    !slice_eq((struct slice){at->text, at->len}, whole) ||
	    !same(at->then, now(c, at->property)))
		return NULL;
	return &at->what;
}

void recall_keep(struct recall *r, const struct call *c, struct slice text, const char *property,
		 const struct recalled *what)
{
	struct slice whole = whole_text(r, c->principal, text);
	struct place *at = &r->places[hash_fast(whole) % PLACES];

	if (property == NULL)
		property = "";
	if (whole.len == 0 || strlen(property) >= PROPERTY_MAX)
		return;
	if (at->text == NULL || !slice_eq((struct slice){at->text, at->len}, whole)) {
		free(at->text);
		at->text = xmalloc(whole.len);
		memcpy(at->text, whole.ptr, whole.len);
		at->len = whole.len;
	}
	memcpy(at->property, property, strlen(property) + 1);
	at->then = now(c, at->property);
	at->what = *what;
}

/* ---- serving */

/* In the request's arena. */
struct serving {
	struct call call;
	struct recalled what;
	struct cache_name name;
	enum quality quality;
	void (*otherwise)(const struct call *c);
};

static void answer_hit(const struct serving *k, const struct cache_found *f)
{
	struct queryd *st = k->call.st;
	struct answer a = {.data = f->value,
			   .key = k->what.key,
			   .versions = f->versions,
			   .cache = "HIT",
			   .quality = k->quality,
			   .partial = k->what.partial};

	watch_pending(st->watch, k->name.tenant_id, &a.now_us, &a.oldest_us);
	cache_confirm(st->cache, &k->name, f->versions, (struct shelf_age){a.now_us, a.oldest_us});
	compute_count_hit(st->compute);
	answer_send(k->call.http, &a);
}

static void on_peeked(void *arg, const struct cache_found *f)
{
	struct serving *k = arg;
	struct queryd *st = k->call.st;

	if (!httpd_settled(k->call.http) && f->outcome == CACHE_HIT && watch_current(st->watch)) {
		answer_hit(k, f);
		return;
	}
	k->call.tenant = tenants_find(st->tenants, k->name.tenant_id);
	if (httpd_settled(k->call.http) || k->call.tenant == NULL)
		httpd_reply_problem(k->call.http, PROBLEM_UNAVAILABLE,
				    "The tenant's data cannot be reached right now.");
	else
		k->otherwise(&k->call);
}

bool recall_serve(const struct call *c, struct slice text, void (*otherwise)(const struct call *c))
{
	const struct recalled *found = recall_find(c->st->recall, c, text);
	struct serving *k;

	if (found == NULL)
		return false;
	k = arena_alloc(httpd_arena(c->http), sizeof(*k));
	k->what = *found;
	k->otherwise = otherwise;
	k->quality = tenant_quality(c->tenant, k->what.tables);
	k->call = caller_keep(c);
	k->name = (struct cache_name){k->call.principal->tenant_id, k->what.key, k->what.tables};
	return cache_peek(c->st->cache, &k->name, on_peeked, k);
}
