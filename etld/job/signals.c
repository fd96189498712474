/*
 * The table of signals, and the chain that says them; see signals.h.
 *
 *   look ─▶ take a tenant ─▶ find ─▶ publish ─▶ (the next signal) ─▶ put off ─▶ take …
 */
#include "etld/job/signals.h"

#include <errno.h>

#include "common/base/strbuf.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "sql_gen.h"

#define SIGNALS_MAGIC     OBJ_MAGIC('s')
#define LOOK_FIRST_MS     1000
#define LOOK_EVERY_MS     60000
#define SIGNAL_TIMEOUT_MS 120000
#define SIGNAL_TENANT_MAX 64
#define SIGNAL_NUMBER_MAX 24

/* A signal whose rows come to mean something else gets a new version. */
static const struct signal {
	const char *name, *version;
	const char *metric, *metric_version; /* what it measures */
	const char *dimensions;              /* of its rows, JSON */
	const struct sql_stmt *stmt;
	const char *part, *days; /* of signal_occupancy_by: its groups, and how far it looks back */
} signals[] = {
	{"occupancy_curve", "1", "occupancy_pct", "1", "[\"lead_days\"]",
	 &SQL_etld_signal_occupancy_curve, NULL, NULL},
	{"lead_time", "1", "lead_time_days", "1", "[\"lead_days_from\", \"lead_days_to\"]",
	 &SQL_etld_signal_lead_time, NULL, NULL},
	{"day_of_week", "1", "occupancy_pct", "1", "[\"day_of_week\"]",
	 &SQL_etld_signal_occupancy_by, "day_of_week", "364"},
	{"season", "1", "occupancy_pct", "1", "[\"month\"]", &SQL_etld_signal_occupancy_by, "month",
	 "728"},
	{"channel_mix", "1", "channel_mix", "1", "[\"channel\"]", &SQL_etld_signal_channel_mix,
	 NULL, NULL},
};

struct signals {
	unsigned magic;
	struct pgpool *warehouse;
	struct daemon_timer *timer;
	bool wanted[ARRAY_SIZE(signals)];
	char least[SIGNAL_NUMBER_MAX], every_ms[SIGNAL_NUMBER_MAX];
	struct metric_family *said;
	/* the tenant that is being worked on */
	char tenant[SIGNAL_TENANT_MAX + 1];
	size_t next; /* signal */
	bool busy, stopped;
};

static const struct signal *signal_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (strlen(signals[i].name) == len && memcmp(signals[i].name, name, len) == 0)
			return &signals[i];
	}
	return NULL;
}

/* The signals of a comma list; stops at a name that is none, which is returned. */
static const char *read_names(const char *names, bool wanted[ARRAY_SIZE(signals)])
{
	for (const char *at = names; *at != '\0';) {
		size_t len = strcspn(at, ",");
		const struct signal *s = signal_find(at, len);

		if (s == NULL)
			return at;
		wanted[s - signals] = true;
		at += len + (at[len] == ',');
	}
	return NULL;
}

int signals_check(const char *names, struct err *e)
{
	bool wanted[ARRAY_SIZE(signals)] = {false};
	const char *bad = read_names(names, wanted);
	struct strbuf known = STRBUF_INIT;

	if (bad == NULL)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		strbuf_appendf(&known, "%s%s", i > 0 ? ", " : "", signals[i].name);
	(void)err_set(e, -EINVAL, "signals: there is no signal '%.*s'; known are %s",
		      (int)strcspn(bad, ","), bad, strbuf_cstr(&known));
	strbuf_clear(&known);
	return e->code;
}

static void take(struct signals *s);
static void find_next(struct signals *s);

/* The tenant's signals that are left wait for his lease to end; the others go on. */
static void give_up(struct signals *s, const char *signal, const struct err *e)
{
	if (e->sqlstate[0] == '\0') { /* no connection, or this process ends */
		s->busy = false;
		return;
	}
	log_error("signal failed", LOG_S("signal", signal), LOG_S("tenant_id", s->tenant),
		  LOG_S("error", e->msg));
	take(s);
}

static void on_put_off(void *arg, const struct pgresult *r, const struct err *e)
{
	struct signals *s = arg;

	OBJ_CHECK(s, SIGNALS_MAGIC);
	(void)r;
	if (e != NULL)
		give_up(s, "all", e);
	else
		take(s);
}

static void on_published(void *arg, const struct pgresult *r, const struct err *e)
{
	struct signals *s = arg;
	const char *name = signals[s->next].name;

	OBJ_CHECK(s, SIGNALS_MAGIC);
	if (e != NULL) {
		give_up(s, name, e);
		return;
	}
	metric_add(metrics_with(s->said, (const char *const[]){name}), pgresult_i64(r, 0, 0, 0));
	s->next++;
	find_next(s);
}

static void on_found(void *arg, const struct pgresult *r, const struct err *e)
{
	struct signals *s = arg;
	const struct signal *g = &signals[s->next];

	OBJ_CHECK(s, SIGNALS_MAGIC);
	if (e != NULL) {
		give_up(s, g->name, e);
		return;
	}
	pgpool_exec(s->warehouse, NULL, &SQL_etld_publish_signals,
		    (const char *const[]){s->tenant, g->name, g->version, g->metric,
					  g->metric_version, g->dimensions,
					  pgresult_text(r, 0, 0, 0), VERSION},
		    SIGNAL_TIMEOUT_MS, on_published, s);
}

static void find_next(struct signals *s)
{
	const struct signal *g;

	while (s->next < ARRAY_SIZE(signals) && !s->wanted[s->next])
		s->next++;
	if (s->stopped) {
		s->busy = false;
	} else if (s->next < ARRAY_SIZE(signals)) {
		g = &signals[s->next];
		pgpool_exec(s->warehouse, NULL, g->stmt,
			    (const char *const[]){s->tenant, s->least, g->part, g->days},
			    SIGNAL_TIMEOUT_MS, on_found, s);
	} else {
		pgpool_exec(s->warehouse, NULL, &SQL_etld_put_off_signals,
			    (const char *const[]){s->tenant, s->every_ms}, SIGNAL_TIMEOUT_MS,
			    on_put_off, s);
	}
}

static void on_taken(void *arg, const struct pgresult *r, const struct err *e)
{
	struct signals *s = arg;

	OBJ_CHECK(s, SIGNALS_MAGIC);
	if (e != NULL && e->sqlstate[0] != '\0')
		log_error("signals: no tenant could be taken", LOG_S("error", e->msg));
	if (e != NULL || pgresult_rows(r, 0) == 0) {
		s->busy = false;
		return;
	}
	(void)snprintf(s->tenant, sizeof(s->tenant), "%s", pgresult_text(r, 0, 0, 0));
	s->next = 0;
	find_next(s);
}

static void take(struct signals *s)
{
	if (s->stopped)
		s->busy = false;
	else
		pgpool_exec(s->warehouse, NULL, &SQL_etld_take_signals, NULL, SIGNAL_TIMEOUT_MS,
			    on_taken, s);
}

static void on_timer(void *arg)
{
	struct signals *s = arg;

	if (s->busy)
		return;
	s->busy = true;
	take(s);
}

struct signals *signals_new(struct daemon *d, struct pgpool *warehouse,
			    const struct signals_options *o)
{
	struct signals *s = xcalloc(1, sizeof(*s));
	const char *bad = read_names(o->names, s->wanted);

	ASSERT(bad == NULL);
	s->magic = SIGNALS_MAGIC;
	s->warehouse = warehouse;
	(void)snprintf(s->least, sizeof(s->least), "%lld", (long long)o->least);
	(void)snprintf(s->every_ms, sizeof(s->every_ms), "%lld", (long long)o->every_ms);
	s->said = metrics_counter_family("etl_signals_total", "Signals published", "signal");
	if (o->names[0] != '\0')
		s->timer = daemon_timer_new(d, LOOK_FIRST_MS, LOOK_EVERY_MS, on_timer, s);
	return s;
}

void signals_stop(struct signals *s)
{
	if (s == NULL)
		return;
	s->stopped = true;
	daemon_timer_free(s->timer);
	s->timer = NULL;
}

void signals_free(struct signals *s)
{
	if (s == NULL)
		return;
	s->magic = 0;
	free(s);
}
