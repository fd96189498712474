/*
 * claim_snapshots ─▶ waits for its turn ─▶ compute ─▶ store_snapshot, for each that is due; see
 * generator.h.
 */
#include "queryd/sync/generator.h"

#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/base/timestamp.h"
#include "common/base/ulid.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "queryd/compute/compute.h"
#include "queryd/document/widget_form.h"
#include "queryd/document/widget_query.h"
#include "sql_gen.h"

#define GENERATOR_MAGIC OBJ_MAGIC('g')
#define POLL_MS         2000
#define FORGET_MS       3600000
#define TIMEOUT_MS      5000
#define LEASE_MS        60000
#define AT_ONCE         4  /* of this process, of as many tenants */
#define READERS_MS      20 /* while readers wait, how often it is looked whether they still do */
#define BODY_MAX        ((size_t)64 * 1024)
#define HOT_SLO_S       300

/* Columns of claim_snapshots. */
enum column {
	TENANT,
	WIDGET,
	DASHBOARD,
	OWNER,
	SCOPE_ID,
	SCOPE,
	KIND,
	TITLE,
	QUERY,
	REVISION,
	STATE,
	BYTES,
	COLUMNS
};

/* One that is leased. */
struct making {
	TAILQ_ENTRY(making) link; /* of those that wait, or of those under way */
	struct generator *generator;
	char *of[COLUMNS]; /* NULL: null */
	struct principal principal;
	const char *cadence;
	int64_t next_ms;
	char bytes[24], next[24], id[40];
	struct strbuf state, body;
	const char *params[8]; /* of store_snapshot */
	struct pgstmt stmt;
};

TAILQ_HEAD(makings, making);

struct generator {
	unsigned magic;
	struct queryd *st;
	struct daemon_timer *timer, *forget_timer, *turn_timer;
	struct makings waiting, under_way;
	bool claiming, stopped, failing;
	struct metric_family *made;
};

static void arm(struct generator *g, int64_t ms)
{
	if (!g->stopped)
		daemon_timer_arm(g->timer, ms);
}

/* ---- turns */

static bool idle(const struct generator *g)
{
	return TAILQ_EMPTY(&g->waiting) && TAILQ_EMPTY(&g->under_way);
}

static bool tenant_under_way(const struct generator *g, const char *tenant_id)
{
	const struct making *m;

	TAILQ_FOREACH (m, &g->under_way, link) {
		if (strcmp(m->of[TENANT], tenant_id) == 0)
			return true;
	}
	return false;
}

static void begin(struct making *m);

/* One of a tenant at a time, and none while a reader waits for a connection. */
static void start_next(void *arg)
{
	struct generator *g = arg;
	struct making *m, *next;

	OBJ_CHECK(g, GENERATOR_MAGIC);
	for (m = TAILQ_FIRST(&g->waiting); m != NULL && !g->stopped; m = next) {
		next = TAILQ_NEXT(m, link);
		if (tenants_waiting(g->st->tenants) > 0) {
			daemon_timer_arm(g->turn_timer, READERS_MS);
			return;
		}
		if (tenant_under_way(g, m->of[TENANT]))
			continue;
		TAILQ_REMOVE(&g->waiting, m, link);
		TAILQ_INSERT_TAIL(&g->under_way, m, link);
		begin(m);
	}
}

/* ---- the end of one */

static void free_making(struct making *m)
{
	for (size_t i = 0; i < COLUMNS; i++)
		free(m->of[i]);
	for (size_t i = 0; i < m->principal.nproperties; i++)
		free(m->principal.properties[i]);
	free(m->principal.properties);
	strbuf_clear(&m->state);
	strbuf_clear(&m->body);
	free(m);
}

static void end(struct making *m)
{
	struct generator *g = m->generator;

	TAILQ_REMOVE(&g->under_way, m, link);
	free_making(m);
	if (g->stopped)
		return;
	daemon_timer_arm(g->turn_timer, 0);
	if (idle(g) && !g->claiming)
		arm(g, 0); /* there may be more */
}

static void on_stored(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)r;
	if (e != NULL) /* the lease runs out, and another makes it */
		log_warn("snapshot not stored", LOG_S("error", e->msg));
	end(arg);
}

/* Ends the lease; with what was made, or without: it is as it was. */
static void store(struct making *m, bool made, int64_t bytes)
{
	const struct queryd_config *conf = daemon_conf(m->generator->st->daemon);
	const struct query_target target = {.pool = m->generator->st->control,
					    .tenant_id = m->of[TENANT],
					    .timeout_ms = TIMEOUT_MS};

	if (bytes > conf->sync_heavy_bytes)
		m->next_ms = conf->sync_heavy;
	(void)snprintf(m->next, sizeof(m->next), "%lld", (long long)m->next_ms);
	(void)snprintf(m->bytes, sizeof(m->bytes), "%lld", (long long)bytes);
	m->params[0] = m->of[WIDGET];
	m->params[1] = m->of[SCOPE_ID];
	m->params[2] = daemon_instance(m->generator->st->daemon);
	m->params[3] = m->next;
	m->params[4] = made ? m->id : NULL;
	m->params[5] = strbuf_cstr(&m->state);
	m->params[6] = strbuf_cstr(&m->body);
	m->params[7] = bytes >= 0 ? m->bytes : NULL;
	m->stmt = (struct pgstmt){&SQL_queryd_store_snapshot, m->params};
	metric_add(metrics_with(m->generator->made, (const char *const[]){made ? "new" : "same"}),
		   1);
	(void)query_start(&target, &m->stmt, 1, on_stored, m);
}

/* ---- the body */

static void text_member(struct json_writer *w, const char *name, const char *value)
{
	jw_key(w, name);
	jw_str(w, value);
}

/* Who may be shown it: null, whoever sees all of the tenant's; else who sees these. */
static void write_properties(const struct making *m, struct json_writer *w)
{
	jw_key(w, "properties");
	if (m->principal.all_properties) {
		jw_null(w);
		return;
	}
	jw_array(w);
	for (size_t i = 0; i < m->principal.nproperties; i++)
		jw_str(w, m->principal.properties[i]);
	jw_end(w);
}

static void write_body(struct making *m, const char *params_hash, struct slice result,
		       const char *omitted)
{
	char now[TIMESTAMP_TEXT_MAX];
	struct json_writer w;

	timestamp_format(clock_wall_us(), now);
	strbuf_reset(&m->body);
	jw_init(&w, &m->body);
	jw_object(&w);
	text_member(&w, "snapshotId", m->id);
	text_member(&w, "widgetId", m->of[WIDGET]);
	text_member(&w, "dashboardId", m->of[DASHBOARD]);
	jw_key(&w, "widgetRevision");
	jw_raw(&w, slice_of(m->of[REVISION]));
	write_properties(m, &w);
	text_member(&w, "cadence", m->cadence);
	text_member(&w, "generatedAt", now);
	text_member(&w, "paramsHash", params_hash);
	text_member(&w, "omitted", omitted);
	jw_key(&w, "result");
	if (omitted == NULL)
		jw_raw(&w, result);
	else
		jw_null(&w);
	jw_end(&w);
}

static void on_outcome(void *arg, const struct compute_outcome *o)
{
	struct making *m = arg;
	const struct answer *a = o->answer;
	const struct widget_form form = {m->of[WIDGET], m->of[KIND], m->of[TITLE], m->of[REVISION]};
	const char *omitted = NULL;
	struct strbuf result = STRBUF_INIT;
	bool same;

	OBJ_CHECK(m->generator, GENERATOR_MAGIC);
	if (m->generator->stopped) {
		end(m); /* the lease runs out, and another makes it */
		return;
	}
	if (a == NULL && (o->code == PROBLEM_UNAVAILABLE || o->code == PROBLEM_QUERY_TIMEOUT ||
			  o->code == PROBLEM_BUDGET_EXCEEDED)) {
		store(m, false, -1); /* later; what there is stays */
		return;
	}
	if (a == NULL)
		omitted = problem_name(o->code);
	else if (!widget_form_write(&form, a, &result))
		omitted = problem_name(PROBLEM_INTERNAL);
	strbuf_appendf(&m->state, "%s|%s|%s|%s", m->of[REVISION], a != NULL ? a->key : "",
		       a != NULL ? a->versions : "", omitted != NULL ? omitted : "");
	if (a != NULL)
		strbuf_appendf(&m->state, "|%d|%d", (int)a->quality, a->partial);
	same = m->of[STATE] != NULL && strcmp(m->of[STATE], strbuf_cstr(&m->state)) == 0;
	ulid_prefixed("wsn", m->id, sizeof(m->id));
	write_body(m, a != NULL ? a->key : NULL, strbuf_slice(&result), omitted);
	if (m->body.len > BODY_MAX)
		write_body(m, a != NULL ? a->key : NULL, (struct slice){NULL, 0}, "too_large");
	strbuf_clear(&result);
	/* an answer from the cache says nothing about what its computation reads */
	store(m, !same, a != NULL && a->bytes > 0 ? a->bytes : -1);
}

/* ---- computing one */

/* The scope's text is what a principal's is: "all", or ids joined with commas, sorted. */
static void read_scope(struct making *m)
{
	struct principal *p = &m->principal;
	char *rest = m->of[SCOPE];

	*p = (struct principal){.tenant_id = m->of[TENANT],
				.user_id = m->of[OWNER],
				.permissions = PERMISSION_VIEWER,
				.all_properties = strcmp(m->of[SCOPE], "all") == 0,
				.scope = m->of[SCOPE]};
	if (p->all_properties || rest[0] == '\0')
		return;
	p->properties = xcalloc(PRINCIPAL_PROPERTIES_MAX, sizeof(*p->properties));
	while (rest[0] != '\0' && p->nproperties < PRINCIPAL_PROPERTIES_MAX) {
		size_t len = strcspn(rest, ",");

		p->properties[p->nproperties++] = xstrndup(rest, len);
		rest += len + (rest[len] == ',');
	}
}

/* Its cadence: cold when all of its metrics may be older. */
static void set_cadence(struct making *m, const struct call *c, const struct json *query)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	const struct json *metrics = json_get(query, "metrics");
	struct call mine = *c;
	bool hot = json_len(metrics) == 0;
	int64_t bytes = 0;

	for (size_t i = 0; i < json_len(metrics); i++) {
		const char *key = json_string_or_null(json_at(metrics, i));
		const struct metric_def *d = key != NULL ? compute_find(&mine, key, 0) : NULL;

		hot |= d == NULL || d->freshness_slo_s <= HOT_SLO_S;
	}
	if (num_i64(slice_of(m->of[BYTES]), 0, INT64_MAX, &bytes) < 0)
		bytes = 0;
	m->cadence = bytes > conf->sync_heavy_bytes ? "heavy" : hot ? "hot" : "cold";
	m->next_ms = bytes > conf->sync_heavy_bytes ? conf->sync_heavy
		     : hot                          ? conf->sync_hot
						    : conf->sync_cold;
}

static void on_tenant(void *arg, const struct err *e)
{
	struct making *m = arg;
	struct queryd *st = m->generator->st;
	const struct widget_choice as_saved = {.n = 0};
	struct call c = {.st = st, .principal = &m->principal};
	struct json *saved = NULL, *query;

	c.tenant = tenants_find(st->tenants, m->of[TENANT]);
	if (e != NULL || c.tenant == NULL || m->generator->stopped ||
	    json_parse(slice_of(m->of[QUERY]), REQUEST_BODY_MAX, &saved, NULL) < 0) {
		end(m); /* the lease runs out */
		return;
	}
	set_cadence(m, &c, saved);
	query = widget_query(saved, &as_saved);
	json_free(saved);
	(void)compute_start(&c, query, on_outcome, m);
	json_free(query);
}

static void begin(struct making *m)
{
	struct tenants *tenants = m->generator->st->tenants;

	if (tenants_find(tenants, m->of[TENANT]) != NULL)
		on_tenant(m, NULL);
	else
		tenants_load(tenants, m->of[TENANT], on_tenant, m);
}

static void add(struct generator *g, const struct pgresult *r, size_t row)
{
	struct making *m = xcalloc(1, sizeof(*m));

	*m = (struct making){.generator = g, .state = STRBUF_INIT, .body = STRBUF_INIT};
	for (size_t i = 0; i < COLUMNS; i++) {
		const char *text = pgresult_text(r, 0, row, i);

		m->of[i] = text != NULL ? xstrdup(text) : NULL;
	}
	read_scope(m);
	TAILQ_INSERT_TAIL(&g->waiting, m, link);
}

/* ---- the rounds */

static void on_claimed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct generator *g = arg;

	OBJ_CHECK(g, GENERATOR_MAGIC);
	if (e != NULL && !g->failing && !g->stopped)
		log_warn("snapshots cannot be made", LOG_S("error", e->msg));
	g->failing = e != NULL;
	for (size_t row = 0; e == NULL && !g->stopped && row < pgresult_rows(r, 0); row++)
		add(g, r, row);
	g->claiming = false;
	start_next(g);
	arm(g, POLL_MS); /* sooner when all of these are made */
}

static void claim(void *arg)
{
	struct generator *g = arg;
	const struct queryd_config *conf = daemon_conf(g->st->daemon);
	char lease[24], most[24], heavy[24];
	const char *params[] = {daemon_instance(g->st->daemon), lease, most, heavy};

	OBJ_CHECK(g, GENERATOR_MAGIC);
	if (g->claiming || g->stopped)
		return;
	if (!idle(g) || !g->st->ready) {
		arm(g, POLL_MS);
		return;
	}
	(void)snprintf(lease, sizeof(lease), "%d", LEASE_MS);
	(void)snprintf(most, sizeof(most), "%d", AT_ONCE);
	(void)snprintf(heavy, sizeof(heavy), "%lld", (long long)conf->sync_heavy_bytes);
	g->claiming = true;
	pgpool_exec(g->st->control, NULL, &SQL_queryd_claim_snapshots, params, TIMEOUT_MS,
		    on_claimed, g);
}

static void on_forgotten(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	(void)r;
	if (e != NULL)
		log_debug("old snapshots stay for now", LOG_S("error", e->msg));
}

static void forget(void *arg)
{
	struct generator *g = arg;

	OBJ_CHECK(g, GENERATOR_MAGIC);
	daemon_timer_arm(g->forget_timer, FORGET_MS);
	pgpool_exec(g->st->control, NULL, &SQL_queryd_forget_sync, NULL, TIMEOUT_MS, on_forgotten,
		    g);
}

struct generator *generator_new(struct queryd *st)
{
	struct generator *g = xcalloc(1, sizeof(*g));

	*g = (struct generator){.magic = GENERATOR_MAGIC,
				.st = st,
				.made = metrics_counter_family(
					"sync_snapshots_total",
					"Snapshots that were due, by what came of them", "result")};
	TAILQ_INIT(&g->waiting);
	TAILQ_INIT(&g->under_way);
	g->timer = daemon_timer_new(st->daemon, 0, 0, claim, g);
	g->turn_timer = daemon_timer_new(st->daemon, 0, 0, start_next, g);
	g->forget_timer = daemon_timer_new(st->daemon, 0, 0, forget, g);
	return g;
}

void generator_stop(struct generator *g)
{
	struct making *m;

	if (g == NULL)
		return;
	g->stopped = true;
	daemon_timer_free(g->timer);
	daemon_timer_free(g->forget_timer);
	daemon_timer_free(g->turn_timer);
	g->timer = g->forget_timer = g->turn_timer = NULL;
	while ((m = TAILQ_FIRST(&g->waiting)) != NULL) { /* their leases run out */
		TAILQ_REMOVE(&g->waiting, m, link);
		free_making(m);
	}
}

void generator_free(struct generator *g)
{
	if (g == NULL)
		return;
	ASSERT(idle(g));
	g->magic = 0;
	free(g);
}
