/* Polling the registry; see registry.h. */
#include "queryd/metric/registry.h"

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "sql_gen.h"

#define REGISTRY_MAGIC OBJ_MAGIC('r')
#define POLL_EVERY_MS  30000
#define RETRY_MS       500 /* until it was loaded once */
#define LIMIT_MS       10000

struct registry {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *control;
	struct daemon_timer *timer;
	void (*on_loaded)(void *arg);
	void *arg;
	struct metric_set *metrics;
	struct arena *arena; /* of the projections */
	struct projection *projections;
	size_t nprojections;
	bool loaded, stopped, failing;
};

static void end_poll(struct registry *g, const struct err *e)
{
	if (g->stopped)
		return;
	if (e != NULL && !g->failing)
		log_error("registry not loaded", LOG_S("error", e->msg));
	g->failing = e != NULL;
	daemon_timer_arm(g->timer, g->loaded ? POLL_EVERY_MS : RETRY_MS);
}

static struct slice kept(struct arena *a, struct slice s)
{
	return (struct slice){arena_strndup(a, s.ptr, s.len), s.len};
}

static void on_projections(void *arg, const struct pgresult *r, const struct err *e)
{
	struct registry *g = arg;
	size_t n;

	OBJ_CHECK(g, REGISTRY_MAGIC);
	if (e != NULL) {
		end_poll(g, e);
		return;
	}
	arena_free(g->arena);
	g->arena = arena_new();
	n = pgresult_rows(r, 0);
	g->projections = arena_alloc(g->arena, n * sizeof(*g->projections));
	for (g->nprojections = 0; g->nprojections < n; g->nprojections++) {
		size_t i = g->nprojections;

		g->projections[i] = (struct projection){
			.key = arena_strdup(g->arena, pgresult_text(r, 0, i, 0)),
			.version = pgresult_i64(r, 0, i, 1),
			.consumer = arena_strdup(g->arena, pgresult_text(r, 0, i, 2)),
			.table = arena_strdup(g->arena, pgresult_text(r, 0, i, 3)),
			.subjects = kept(g->arena, pgresult_slice(r, 0, i, 4)),
			.depends_on = kept(g->arena, pgresult_slice(r, 0, i, 5)),
			.freshness_slo_s = pgresult_i64(r, 0, i, 6),
			.status = arena_strdup(g->arena, pgresult_text(r, 0, i, 7)),
		};
	}
	if (!g->loaded) {
		g->loaded = true;
		g->on_loaded(g->arg);
	}
	end_poll(g, NULL);
}

static void on_metrics(void *arg, const struct pgresult *r, const struct err *e)
{
	struct registry *g = arg;
	struct metric_set *fresh = NULL;
	struct err bad = ERR_INIT;

	OBJ_CHECK(g, REGISTRY_MAGIC);
	if (e != NULL || metric_set_new(r, 0, &fresh, &bad) < 0) {
		end_poll(g, e != NULL ? e : &bad);
		return;
	}
	metric_set_unref(g->metrics);
	g->metrics = fresh;
	pgpool_exec(g->control, NULL, &SQL_queryd_list_projections, NULL, LIMIT_MS, on_projections,
		    g);
}

static void poll_now(void *arg)
{
	struct registry *g = arg;

	OBJ_CHECK(g, REGISTRY_MAGIC);
	pgpool_exec(g->control, NULL, &SQL_queryd_list_metrics, NULL, LIMIT_MS, on_metrics, g);
}

struct registry *registry_new(struct daemon *d, struct pgpool *control,
			      void (*on_loaded)(void *arg), void *arg)
{
	struct registry *g = xcalloc(1, sizeof(*g));

	g->magic = REGISTRY_MAGIC;
	g->daemon = d;
	g->control = control;
	g->on_loaded = on_loaded;
	g->arg = arg;
	g->timer = daemon_timer_new(d, 0, 0, poll_now, g);
	return g;
}

void registry_stop(struct registry *g)
{
	if (g == NULL)
		return;
	g->stopped = true;
	daemon_timer_free(g->timer);
	g->timer = NULL;
}

void registry_free(struct registry *g)
{
	if (g == NULL)
		return;
	metric_set_unref(g->metrics);
	arena_free(g->arena);
	g->magic = 0;
	free(g);
}

struct metric_set *registry_metrics(const struct registry *g)
{
	return g->metrics;
}

size_t registry_projection_count(const struct registry *g)
{
	return g->nprojections;
}

const struct projection *registry_projection_at(const struct registry *g, size_t i)
{
	return &g->projections[i];
}

const struct projection *registry_projection(const struct registry *g, const char *key)
{
	for (size_t i = 0; i < g->nprojections; i++) {
		if (strcmp(g->projections[i].key, key) == 0)
			return &g->projections[i];
	}
	return NULL;
}
