/* One alert after the other; see alerts.h. */
#include "dqd/alerts.h"

#include "common/base/arena.h"
#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/pg/outbox.h"
#include "dqd/evaluate.h"
#include "sql_gen.h"

#define ALERTS_MAGIC  OBJ_MAGIC('a')
#define TELL_LIMIT_MS (2 * 60 * 1000)
#define SUBJECT       "melmastoon.analytics.data_quality.alert.v1"

/* Columns of store_results.sql; since is RFC 3339. */
enum column {
	CHECK_ID,
	CHANGE_ID,
	TENANT_ID,
	TABLE_NAME,
	KIND,
	SEVERITY,
	OBSERVED,
	EXPECTED,
	STATE,
	SINCE,
	CHANGES
};

/* What is told, as parallel array literals: parameters of mark_told.sql. */
enum told { TOLD_CHECK, TOLD_TENANT, TOLD_STATE, TOLD_CHANGES, TOLD_COUNT };

struct alert {
	const char *tenant_id, *event_id, *envelope;
};

struct alerts {
	unsigned magic;
	const struct evaluate_target *target;
	alerts_fn fn;
	void *arg;
	struct arena *arena;
	struct alert *all;
	size_t n, next;
	struct strbuf told[TOLD_COUNT];
	const char *params[5];
};

static void end(struct alerts *as, const struct err *e)
{
	as->fn(as->arg, e);
	for (size_t i = 0; i < TOLD_COUNT; i++)
		strbuf_clear(&as->told[i]);
	arena_free(as->arena);
	as->magic = 0;
	free(as);
}

static void put(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_str(w, value);
}

static void put_number(struct json_writer *w, const char *key, struct slice number)
{
	jw_key(w, key);
	if (number.len == 0)
		jw_null(w);
	else
		jw_raw(w, number);
}

/* As events name it. */
static const char *owner_of(const char *tenant_id)
{
	return strcmp(tenant_id, EVALUATE_PLATFORM) == 0 ? NULL : tenant_id;
}

/* The event of a change: whoever tells it, it has this id. */
static const char *event_id_of(struct arena *arena, const char *change_id)
{
	char id[40];

	(void)snprintf(id, sizeof(id), "evt%s", strchr(change_id, '_'));
	return arena_strdup(arena, id);
}

static const char *state_of(const struct pgresult *r, size_t row)
{
	return strcmp(pgresult_text(r, 0, row, STATE), "fail") == 0 ? "raised" : "resolved";
}

static void make_payload(const struct pgresult *r, size_t row, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object(&w);
	put(&w, "checkId", pgresult_text(r, 0, row, CHECK_ID));
	put(&w, "resultId", pgresult_text(r, 0, row, CHANGE_ID));
	put(&w, "table", pgresult_text(r, 0, row, TABLE_NAME));
	put(&w, "kind", pgresult_text(r, 0, row, KIND));
	put(&w, "severity", pgresult_text(r, 0, row, SEVERITY));
	put_number(&w, "observed", pgresult_slice(r, 0, row, OBSERVED));
	put_number(&w, "expected", pgresult_slice(r, 0, row, EXPECTED));
	put(&w, "state", state_of(r, row));
	put(&w, "since", pgresult_text(r, 0, row, SINCE));
	jw_end(&w);
}

static void make_alert(struct alerts *as, const struct pgresult *r, size_t row)
{
	static const enum column told[] = {CHECK_ID, TENANT_ID, STATE, CHANGES};
	struct strbuf payload = STRBUF_INIT, envelope = STRBUF_INIT;
	const char *tenant_id = arena_strdup(as->arena, pgresult_text(r, 0, row, TENANT_ID));
	struct alert *a = &as->all[as->n++];

	a->tenant_id = tenant_id;
	a->event_id = event_id_of(as->arena, pgresult_text(r, 0, row, CHANGE_ID));
	make_payload(r, row, &payload);
	outbox_envelope(&(struct outbox_event){.id = a->event_id,
					       .subject = SUBJECT,
					       .tenant_id = owner_of(tenant_id),
					       .ordering_key = tenant_id,
					       .instance = as->target->instance,
					       .retention_class = "operational_2y",
					       .payload = strbuf_slice(&payload)},
			&envelope);
	a->envelope = arena_strdup(as->arena, strbuf_cstr(&envelope));
	strbuf_clear(&envelope);
	strbuf_clear(&payload);
	for (size_t i = 0; i < TOLD_COUNT; i++)
		strbuf_appendf(&as->told[i], "%c%s", as->told[i].len == 0 ? '{' : ',',
			       pgresult_text(r, 0, row, told[i]));
	log_warn("data quality changed", LOG_S("tenant_id", tenant_id),
		 LOG_S("table", pgresult_text(r, 0, row, TABLE_NAME)),
		 LOG_S("kind", pgresult_text(r, 0, row, KIND)), LOG_S("state", state_of(r, row)),
		 LOG_S("observed", pgresult_text(r, 0, row, OBSERVED)),
		 LOG_S("expected", pgresult_text(r, 0, row, EXPECTED)));
}

static void on_told(void *arg, const struct pgresult *r, const struct err *e)
{
	struct alerts *as = arg;

	OBJ_CHECK(as, ALERTS_MAGIC);
	(void)r;
	end(as, e);
}

static void mark_told(struct alerts *as)
{
	for (size_t i = 0; i < TOLD_COUNT; i++) {
		strbuf_append_char(&as->told[i], '}');
		as->params[i] = strbuf_cstr(&as->told[i]);
	}
	pgpool_exec(as->target->control, NULL, &SQL_dqd_mark_told, as->params, TELL_LIMIT_MS,
		    on_told, as);
}

static void write_next(struct alerts *as);

static void on_written(void *arg, const struct pgresult *r, const struct err *e)
{
	struct alerts *as = arg;

	OBJ_CHECK(as, ALERTS_MAGIC);
	(void)r;
	if (e != NULL)
		end(as, e);
	else
		write_next(as);
}

static void write_next(struct alerts *as)
{
	const struct alert *a;

	if (as->next == as->n) {
		mark_told(as);
		return;
	}
	a = &as->all[as->next++];
	as->params[0] = a->tenant_id; /* alerts of a tenant keep their order */
	as->params[1] = SUBJECT;
	as->params[2] = owner_of(a->tenant_id);
	as->params[3] = a->envelope;
	as->params[4] = a->event_id;
	pgpool_exec(as->target->warehouse, NULL, &SQL_outbox_append, as->params, TELL_LIMIT_MS,
		    on_written, as);
}

void alerts_tell(const struct evaluate_target *t, const struct pgresult *changes, alerts_fn fn,
		 void *arg)
{
	struct alerts *as;

	if (pgresult_rows(changes, 0) == 0) {
		fn(arg, NULL);
		return;
	}
	as = xcalloc(1, sizeof(*as));
	as->magic = ALERTS_MAGIC;
	as->target = t;
	as->fn = fn;
	as->arg = arg;
	as->arena = arena_new();
	as->all = arena_alloc(as->arena, pgresult_rows(changes, 0) * sizeof(*as->all));
	for (size_t i = 0; i < TOLD_COUNT; i++)
		as->told[i] = STRBUF_INIT;
	for (size_t row = 0; row < pgresult_rows(changes, 0); row++)
		make_alert(as, changes, row);
	write_next(as);
}
