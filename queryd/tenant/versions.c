/*
 * Questions about data versions, gathered by tenant; see versions.h.
 *
 *   asked ─▶ gathered ─▶ (this turn's requests are all in) ─▶ sent ─▶ answered
 *               ▲                                              │
 *               └───────────── what comes meanwhile ◀──────────┘
 */
#include "queryd/tenant/versions.h"

#include <errno.h>
#include <sys/queue.h>

#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "common/net/dataversion.h"
#include "sql_gen.h"

#define GATHERED_MAGIC OBJ_MAGIC('v')
#define BUCKETS        1024
#define TENANT_MAX     64
#define LIMIT_MS       2000

struct question {
	STAILQ_ENTRY(question) link;
	const char *const *tables;
	versions_fn fn;
	void *arg;
};

STAILQ_HEAD(questions, question);

/* The questions about one tenant. */
struct gathered {
	unsigned magic;
	LIST_ENTRY(gathered) same_bucket;
	STAILQ_ENTRY(gathered) due; /* to be sent when this turn's events are through */
	struct versions *v;         /* NULL: closed */
	char tenant_id[TENANT_MAX];
	struct questions next, sent;
	bool under_way;
};

struct versions {
	struct redisq *redis;
	struct pgpool *warehouse;
	bool trusted, closed;
	struct daemon_timer *flush;
	STAILQ_HEAD(, gathered) due;
	LIST_HEAD(, gathered) buckets[BUCKETS];
};

/* What one of the two sources said. */
struct said {
	const struct redisq_reply *reply; /* a hash: name, value, … */
	const struct pgresult *rows;
};

/* ---- answering */

/* The version of the table as text; len 0: not known. */
static struct slice version_of(const struct said *s, const char *table)
{
	if (s->reply != NULL) {
		for (size_t i = 0; i + 1 < redisq_len(s->reply); i += 2) {
			if (slice_eq_str(redisq_str(redisq_at(s->reply, i)), table))
				return redisq_str(redisq_at(s->reply, i + 1));
		}
		return (struct slice){NULL, 0};
	}
	for (size_t i = 0; i < pgresult_rows(s->rows, 0); i++) {
		if (strcmp(pgresult_text(s->rows, 0, i, 0), table) == 0)
			return pgresult_slice(s->rows, 0, i, 1);
	}
	return SLICE_LIT("0"); /* nothing was ever applied to it */
}

/* false: one is not known. */
static bool write_versions(const struct said *s, const char *const *tables,
			   char out[VERSIONS_TEXT_MAX])
{
	size_t at = 0;

	for (size_t i = 0; tables[i] != NULL; i++) {
		struct slice version = version_of(s, tables[i]);

		if (version.len == 0 || at + version.len + 2 > VERSIONS_TEXT_MAX)
			return false;
		if (i > 0)
			out[at++] = ',';
		memcpy(out + at, version.ptr, version.len);
		at += version.len;
	}
	out[at] = '\0';
	return at > 0;
}

/* said NULL: nobody knows. */
static void answer(struct questions *list, const struct said *said)
{
	char text[VERSIONS_TEXT_MAX];
	struct question *q;

	while ((q = STAILQ_FIRST(list)) != NULL) {
		enum versions_outcome outcome = VERSIONS_AWAY;

		STAILQ_REMOVE_HEAD(list, link);
		if (said != NULL)
			outcome = write_versions(said, q->tables, text) ? VERSIONS_KNOWN
									: VERSIONS_UNSURE;
		q->fn(q->arg, outcome, outcome == VERSIONS_KNOWN ? text : "");
		free(q);
	}
}

/* ---- asking */

static void schedule(struct gathered *g)
{
	STAILQ_INSERT_TAIL(&g->v->due, g, due);
	daemon_timer_arm(g->v->flush, 0);
}

/* The answer has come: whoever asks from now on, also from inside the callbacks, needs a new one.
 */
static void end(struct gathered *g, const struct said *said)
{
	struct questions sent = STAILQ_HEAD_INITIALIZER(sent);

	STAILQ_CONCAT(&sent, &g->sent);
	answer(&sent, said);
	g->under_way = false;
	if (g->v != NULL && !STAILQ_EMPTY(&g->next)) {
		schedule(g);
		return;
	}
	if (g->v != NULL)
		LIST_REMOVE(g, same_bucket);
	g->magic = 0;
	free(g);
}

static void on_rows(void *arg, const struct pgresult *r, const struct err *e)
{
	struct gathered *g = arg;

	struct said said = {.rows = r};

	OBJ_CHECK(g, GATHERED_MAGIC);
	end(g, e == NULL ? &said : NULL);
}

static void ask_postgres(struct gathered *g)
{
	const char *params[] = {g->tenant_id};

	pgpool_exec(g->v->warehouse, NULL, &SQL_queryd_list_tenant_versions, params, LIMIT_MS,
		    on_rows, g);
}

static void on_reply(void *arg, int err, const struct redisq_reply *r)
{
	struct gathered *g = arg;

	OBJ_CHECK(g, GATHERED_MAGIC);
	if (err == 0 && redisq_kind(r) == REDISQ_ARRAY)
		end(g, &(struct said){.reply = r});
	else if (err == -ECANCELED || g->v == NULL)
		end(g, NULL);
	else
		ask_postgres(g);
}

static void ask(struct gathered *g)
{
	char key[TENANT_MAX];

	STAILQ_CONCAT(&g->sent, &g->next);
	g->under_way = true;
	if (!versions_from_redis(g->v)) {
		ask_postgres(g);
		return;
	}
	dataversion_key(g->tenant_id, key, sizeof(key));
	redisq_command(g->v->redis, (const struct slice[]){SLICE_LIT("HGETALL"), slice_of(key)}, 2,
		       on_reply, g);
}

/* Runs behind what the sockets brought in this turn. */
static void on_flush(void *arg)
{
	struct versions *v = arg;
	struct gathered *g;

	while ((g = STAILQ_FIRST(&v->due)) != NULL) {
		STAILQ_REMOVE_HEAD(&v->due, due);
		ask(g);
	}
}

static struct gathered *gathered_of(struct versions *v, const char *tenant_id)
{
	size_t bucket = hash_fast(slice_of(tenant_id)) % BUCKETS;
	struct gathered *g;

	LIST_FOREACH (g, &v->buckets[bucket], same_bucket) {
		if (strcmp(g->tenant_id, tenant_id) == 0)
			return g;
	}
	g = xcalloc(1, sizeof(*g));
	g->magic = GATHERED_MAGIC;
	g->v = v;
	ASSERT(strlen(tenant_id) < sizeof(g->tenant_id));
	memcpy(g->tenant_id, tenant_id, strlen(tenant_id) + 1);
	STAILQ_INIT(&g->next);
	STAILQ_INIT(&g->sent);
	LIST_INSERT_HEAD(&v->buckets[bucket], g, same_bucket);
	return g;
}

void versions_ask(struct versions *v, const char *tenant_id, const char *const *tables,
		  versions_fn fn, void *arg)
{
	struct gathered *g = gathered_of(v, tenant_id);
	struct question *q = xmalloc(sizeof(*q));
	bool first = STAILQ_EMPTY(&g->next);

	ASSERT(!v->closed);
	*q = (struct question){.tables = tables, .fn = fn, .arg = arg};
	STAILQ_INSERT_TAIL(&g->next, q, link);
	if (first && !g->under_way)
		schedule(g);
}

/* ---- the whole */

struct versions *versions_new(struct daemon *d, struct redisq *redis, struct pgpool *warehouse)
{
	struct versions *v = xcalloc(1, sizeof(*v));

	v->redis = redis;
	v->warehouse = warehouse;
	v->flush = daemon_timer_new(d, 0, 0, on_flush, v);
	STAILQ_INIT(&v->due);
	return v;
}

void versions_close(struct versions *v)
{
	if (v == NULL)
		return;
	v->closed = true;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct gathered *g;

		while ((g = LIST_FIRST(&v->buckets[i])) != NULL) {
			LIST_REMOVE(g, same_bucket);
			g->v = NULL;
			answer(&g->next, NULL);
			answer(&g->sent, NULL);
			if (!g->under_way) /* else its answer frees it */
				free(g);
		}
	}
	daemon_timer_free(v->flush);
	v->flush = NULL;
	v->redis = NULL;
}

void versions_free(struct versions *v)
{
	free(v);
}

void versions_trust(struct versions *v, bool redis)
{
	v->trusted = redis;
}

bool versions_from_redis(const struct versions *v)
{
	return v->redis != NULL && v->trusted && redisq_up(v->redis);
}
