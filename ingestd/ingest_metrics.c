/* The metrics of landing; see ingest_metrics.h. */
#include "ingestd/ingest_metrics.h"

/* Those that have a view in sql/warehouse/postgres/migrations/0002_raw.sql. */
static const char *const domains[] = {
	"reservation",  "payment",         "billing", "housekeeping", "lock",  "property",
	"inventory",    "tenant",          "iam",     "pricing",      "bff",   "ai",
	"notification", "ai_orchestrator", "theme",   "search",       "media", "maintenance",
	"reporting",    "audit",           "sync",    "analytics",
};

static const char *const outcomes[OUTCOME_COUNT] = {
	[OUTCOME_ACCEPTED] = "accepted",
	[OUTCOME_DUPLICATE] = "duplicate",
	[OUTCOME_CONFLICT] = "conflict",
	[OUTCOME_DEAD_LETTER] = "dead_letter",
};

void ingest_metrics_init(struct ingest_metrics *m)
{
	static const double sizes[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};
	static const double lags[] = {0.1, 0.5, 1, 5, 10, 60, 600, 3600, 86400, 604800, 2592000};

	m->events = metrics_counter_family("ingest_events_total",
					   "Events that were settled, by domain and outcome",
					   "domain,outcome");
	m->dead_letters = metrics_counter_family(
		"ingest_dead_letters_total", "Events kept as dead letters, by reason", "reason");
	m->lag = metrics_histogram("ingest_lag_seconds",
				   "From an event's occurrence to its receipt", lags,
				   ARRAY_SIZE(lags));
	m->seconds = metrics_histogram("ingest_commit_seconds", "Duration of landing transactions",
				       METRICS_SECONDS, METRICS_SECONDS_COUNT);
	m->batch_events = metrics_histogram(
		"ingest_batch_events", "Events of a landing transaction", sizes, ARRAY_SIZE(sizes));
	m->queue_bytes = metrics_gauge("ingest_queue_bytes", "Bytes that wait for their commit");
	m->queue_events = metrics_gauge("ingest_queue_events", "Events that wait for their commit");
	m->careful = metrics_counter("ingest_careful_batches_total",
				     "Batches that took the way through the temporary table");
	m->recent = metrics_counter("ingest_recent_hits_total",
				    "Events whose id was seen lately when they came in");
}

void ingest_metrics_received(struct ingest_metrics *m, int64_t lag_us, bool seen_lately)
{
	metric_observe(m->lag, (double)lag_us / 1e6);
	if (seen_lately)
		metric_add(m->recent, 1);
}

void ingest_metrics_queue(struct ingest_metrics *m, struct share_use held)
{
	metric_set(m->queue_bytes, (double)held.bytes);
	metric_set(m->queue_events, (double)held.events);
}

static const char *domain_label(struct slice domain)
{
	for (size_t i = 0; i < ARRAY_SIZE(domains); i++) {
		if (slice_eq_str(domain, domains[i]))
			return domains[i];
	}
	return "other";
}

static void count(struct ingest_metrics *m, const char *domain, const char *outcome, int64_t n)
{
	if (n > 0)
		metric_add(metrics_with(m->events, (const char *const[]){domain, outcome}), n);
}

static void count_dead(struct ingest_metrics *m, const char *reason, int64_t n)
{
	if (n > 0)
		metric_add(metrics_with(m->dead_letters, &reason), n);
}

void ingest_metrics_landed(struct ingest_metrics *m, const struct batch *b,
			   const struct landing_report *r)
{
	for (size_t i = 0; i < b->ndeltas; i++) {
		const char *domain = domain_label(b->deltas[i].domain);

		for (int o = 0; o < OUTCOME_COUNT; o++)
			count(m, domain, o == OUTCOME_DEAD_LETTER ? "tenant_deleted" : outcomes[o],
			      b->deltas[i].outcomes[o]);
	}
	count(m, "other", outcomes[OUTCOME_DEAD_LETTER], (int64_t)r->dead_letters);
	for (size_t i = 0; i < r->dead_letters; i++)
		count_dead(m, b->dead_items[i].reason, 1);
	count_dead(m, "conflict", (int64_t)r->conflicts);
	metric_observe(m->seconds, (double)r->elapsed_us / 1e6);
	metric_observe(m->batch_events,
		       (double)(r->accepted + r->duplicates + r->conflicts + r->dropped));
	metric_add(m->careful, r->careful);
}
