/* A second of queries at a time; see querylog.h. */
#include "queryd/cost/querylog.h"

#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/ulid.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "common/pg/outbox.h"
#include "queryd/config.h"
#include "queryd/document/courier.h"
#include "sql_gen.h"

#define QUERYLOG_MAGIC OBJ_MAGIC('l')
#define FLUSH_MS       1000
#define FORGET_MS      600000
#define FORGET_MAX     10000 /* of forget_query_log() */
#define TIMEOUT_MS     5000
#define ENTRIES_MAX    1000
#define OF_TENANT_MAX  200
#define TEXT_MAX       96
#define ENTRY_ID_MAX   40
#define EXECUTED       "melmastoon.analytics.query.executed.v1"

struct entry {
	uint64_t same, tenant; /* hashes of what makes entries equal, of the tenant */
	char tenant_id[TEXT_MAX], actor_id[TEXT_MAX], query_id[TEXT_MAX], hash[TEXT_MAX];
	const char *kind, *outcome, *cache; /* literals */
	bool told, sampled;
	int64_t times, bytes, duration_us, rows;
};

struct querylog {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *control;
	struct courier *courier;
	struct daemon_timer *timer, *forget_timer;
	struct entry entries[ENTRIES_MAX];
	size_t n, nsent;    /* the first nsent are being written */
	struct strbuf text; /* of those, until they are written: sent again it is the same */
	int64_t computed;
	struct metric *dropped;
	void (*flushed)(void *arg);
	void *flushed_arg;
	bool busy, stopped;
};

/* ---- adding */

static void copy(char out[TEXT_MAX], const char *text)
{
	(void)snprintf(out, TEXT_MAX, "%s", text != NULL ? text : "");
}

static uint64_t identity_of(const struct querylog_entry *e)
{
	struct strbuf text = STRBUF_INIT;
	uint64_t hash;

	strbuf_appendf(&text, "%s|%s|%s|%s|%s|%s", e->tenant_id, e->actor_id, e->hash, e->kind,
		       e->outcome, e->cache);
	hash = hash_fast(strbuf_slice(&text));
	strbuf_clear(&text);
	return hash;
}

/* The entry that the new one is added to; NULL: there are too many. */
static struct entry *place_of(struct querylog *l, const struct querylog_entry *e)
{
	uint64_t same = identity_of(e), tenant = hash_fast(slice_of(e->tenant_id));
	size_t of_tenant = 0;
	struct entry *k;

	for (size_t i = l->nsent; i < l->n; i++) {
		k = &l->entries[i];
		if (k->same == same)
			return k;
		of_tenant += k->tenant == tenant;
	}
	if (l->n == ENTRIES_MAX || of_tenant == OF_TENANT_MAX)
		return NULL;
	k = &l->entries[l->n++];
	*k = (struct entry){.same = same,
			    .tenant = tenant,
			    .kind = e->kind,
			    .outcome = e->outcome,
			    .cache = e->cache};
	copy(k->tenant_id, e->tenant_id);
	copy(k->actor_id, e->actor_id);
	copy(k->query_id, e->query_id);
	copy(k->hash, e->hash);
	return k;
}

void querylog_add(struct querylog *l, const struct querylog_entry *e)
{
	const struct queryd_config *conf = daemon_conf(l->daemon);
	struct entry *k = place_of(l, e);

	if (k == NULL) {
		metric_add(l->dropped, 1);
		return;
	}
	k->times++;
	k->bytes += e->bytes;
	k->rows += e->rows;
	if (e->duration_us > k->duration_us)
		k->duration_us = e->duration_us;
	if (e->refused)
		k->told = true;
	else if (l->computed++ % conf->query_sample == 0)
		k->told = k->sampled = true;
}

/* ---- writing */

static void put(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_str(w, value[0] != '\0' ? value : NULL);
}

static void put_number(struct json_writer *w, const char *key, int64_t value)
{
	jw_key(w, key);
	jw_i64(w, value);
}

static void write_payload(const struct entry *k, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object(&w);
	put(&w, "queryId", k->query_id);
	put(&w, "queryHash", k->hash);
	put(&w, "kind", k->kind);
	put(&w, "outcome", k->outcome);
	put_number(&w, "times", k->times);
	put_number(&w, "bytesScanned", k->bytes);
	put_number(&w, "durationMs", k->duration_us / 1000);
	put(&w, "cache", k->cache);
	put_number(&w, "rows", k->rows);
	jw_key(&w, "sampled");
	jw_bool(&w, k->sampled);
	jw_end(&w);
}

static void write_event(const struct querylog *l, const struct entry *k, struct json_writer *w)
{
	struct strbuf payload = STRBUF_INIT, envelope = STRBUF_INIT;
	struct json *parsed = NULL;

	write_payload(k, &payload);
	outbox_envelope(&(struct outbox_event){.subject = EXECUTED,
					       .tenant_id = k->tenant_id,
					       .ordering_key = k->tenant_id,
					       .instance = daemon_instance(l->daemon),
					       .retention_class = "operational_2y",
					       .payload = strbuf_slice(&payload)},
			&envelope);
	if (json_parse(strbuf_slice(&envelope), envelope.len, &parsed, NULL) == 0) {
		put(w, "event_id", json_string_or_null(json_get(parsed, "id")));
		put(w, "subject", EXECUTED);
		put(w, "envelope", strbuf_cstr(&envelope));
	}
	json_free(parsed);
	strbuf_clear(&payload);
	strbuf_clear(&envelope);
}

static void write_entry(const struct querylog *l, const struct entry *k, struct json_writer *w)
{
	char id[ENTRY_ID_MAX];

	ulid_prefixed("qlg", id, sizeof(id));
	jw_object(w);
	put(w, "entry_id", id);
	put(w, "tenant_id", k->tenant_id);
	put(w, "actor_id", k->actor_id);
	put(w, "query_id", k->query_id);
	put(w, "query_hash", k->hash);
	put(w, "kind", k->kind);
	put(w, "outcome", k->outcome);
	put_number(w, "times", k->times);
	put_number(w, "bytes", k->bytes);
	put_number(w, "duration_ms", k->duration_us / 1000);
	put_number(w, "rows", k->rows);
	if (k->told)
		write_event(l, k, w);
	jw_end(w);
}

static void end(struct querylog *l)
{
	void (*fn)(void *arg) = l->flushed;

	l->flushed = NULL;
	if (fn != NULL)
		fn(l->flushed_arg);
}

static void on_written(void *arg, const struct pgresult *r, const struct err *e)
{
	struct querylog *l = arg;

	OBJ_CHECK(l, QUERYLOG_MAGIC);
	(void)r;
	l->busy = false;
	if (e != NULL) {
		log_warn("query log not written", LOG_S("error", e->msg),
			 LOG_I("entries", l->nsent));
	} else {
		memmove(l->entries, l->entries + l->nsent, (l->n - l->nsent) * sizeof(*l->entries));
		l->n -= l->nsent;
		l->nsent = 0;
		courier_wake(l->courier);
	}
	if (!l->stopped)
		daemon_timer_arm(l->timer, FLUSH_MS);
	end(l);
}

static void write_entries(struct querylog *l)
{
	struct json_writer w;

	strbuf_reset(&l->text);
	jw_init(&w, &l->text);
	jw_array(&w);
	for (size_t i = 0; i < l->n; i++)
		write_entry(l, &l->entries[i], &w);
	jw_end(&w);
	l->nsent = l->n;
}

static void flush(void *arg)
{
	struct querylog *l = arg;
	const char *params[1];

	OBJ_CHECK(l, QUERYLOG_MAGIC);
	if (l->busy)
		return;
	if (l->n == 0) {
		daemon_timer_arm(l->timer, FLUSH_MS);
		end(l);
		return;
	}
	if (l->nsent == 0)
		write_entries(l);
	l->busy = true;
	params[0] = strbuf_cstr(&l->text);
	pgpool_exec(l->control, NULL, &SQL_queryd_log_queries, params, TIMEOUT_MS, on_written, l);
}

void querylog_flush(struct querylog *l, void (*fn)(void *arg), void *arg)
{
	l->flushed = fn;
	l->flushed_arg = arg;
	flush(l);
}

static void on_forgotten(void *arg, const struct pgresult *r, const struct err *e)
{
	struct querylog *l = arg;

	OBJ_CHECK(l, QUERYLOG_MAGIC);
	if (e == NULL && !l->stopped && pgresult_i64(r, 0, 0, 0) == FORGET_MAX)
		daemon_timer_arm(l->forget_timer, FLUSH_MS);
}

static void forget(void *arg)
{
	struct querylog *l = arg;

	OBJ_CHECK(l, QUERYLOG_MAGIC);
	daemon_timer_arm(l->forget_timer, FORGET_MS);
	pgpool_exec(l->control, NULL, &SQL_queryd_forget_query_log, NULL, TIMEOUT_MS, on_forgotten,
		    l);
}

/* ---- life */

struct querylog *querylog_new(struct daemon *d, struct pgpool *control, struct courier *courier)
{
	struct querylog *l = xcalloc(1, sizeof(*l));

	l->magic = QUERYLOG_MAGIC;
	l->daemon = d;
	l->control = control;
	l->courier = courier;
	l->text = STRBUF_INIT;
	l->dropped = metrics_counter("query_log_dropped_total", "Queries that were not logged");
	l->timer = daemon_timer_new(d, FLUSH_MS, 0, flush, l);
	l->forget_timer = daemon_timer_new(d, 0, 0, forget, l);
	return l;
}

void querylog_stop(struct querylog *l)
{
	if (l == NULL)
		return;
	daemon_timer_free(l->timer);
	daemon_timer_free(l->forget_timer);
	l->timer = l->forget_timer = NULL;
	l->stopped = true;
}

void querylog_free(struct querylog *l)
{
	if (l == NULL)
		return;
	strbuf_clear(&l->text);
	l->magic = 0;
	free(l);
}
