/*
 * One landing transaction; see landing.h.
 *
 *   fast ──committed─────────────────────────────────▶ done
 *     └─unique violation, deleted tenant─▶ careful ──▶ done
 */
#include "ingestd/landing/landing.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "sql_gen.h"

#define LANDING_MAGIC OBJ_MAGIC('L')
#define RETRIES_MAX   5
/* of refuse_deleted_tenants() in sql/…/0009_operations.sql */
#define SQLSTATE_TENANT_DELETED "TD001"
#define CONFLICT_DETAIL \
	"another event with this id has landed before; this one is kept as a dead letter"
#define TENANT_DELETED_DETAIL "the tenant is deleted; nothing of the event is kept"

struct landing {
	unsigned magic;
	struct pgconn *conn;
	struct batch *batch;
	int64_t timeout_ms, started_us;
	landing_fn fn;
	void *arg;
	struct landing_report report;
	struct err err;
	struct strbuf deltas, record, controls, suspects;
	struct slice copies[5];
	int tries; /* that ended in a deadlock with another landing */
};

static void end(struct landing *l, enum landing_end how)
{
	landing_fn fn = l->fn;
	void *arg = l->arg;
	struct batch *b = l->batch;
	struct landing_report report = l->report;
	struct err err = l->err;

	report.end = how;
	report.elapsed_us = clock_mono_us() - l->started_us;
	report.err = &err;
	strbuf_clear(&l->deltas);
	strbuf_clear(&l->record);
	strbuf_clear(&l->controls);
	strbuf_clear(&l->suspects);
	l->magic = 0;
	free(l);
	fn(arg, b, &report);
}

static void settle_dead(struct landing *l)
{
	l->report.dead_letters = l->batch->ndead;
	batch_settle_dead(l->batch);
}

static void fast(struct landing *l);
static void careful(struct landing *l);

/* What a failed transaction means for the batch. */
static void failed(struct landing *l, const struct err *e)
{
	enum pg_error_class class = pg_error_class(e);

	if (class == PG_ERROR_RETRY &&
	    l->tries++ < RETRIES_MAX) { /* a deadlock: nothing was kept */
		if (l->report.careful)
			careful(l);
		else
			fast(l);
		return;
	}
	l->err = *e;
	if (class == PG_ERROR_DATA && l->batch->nitems > 0) {
		end(l, LANDING_REFUSED);
		return;
	}
	batch_settle_failed(l->batch);
	end(l, LANDING_FAILED);
}

/* ---- the careful way: COPY into a temporary table, then let the index decide each row */

static const struct {
	const char *word;
	enum outcome outcome;
} outcomes[] = {
	{"accepted", OUTCOME_ACCEPTED},
	{"duplicate", OUTCOME_DUPLICATE},
	{"conflict", OUTCOME_CONFLICT},
	{"tenant_deleted", OUTCOME_DEAD_LETTER}, /* dropped: nothing of it is kept */
};

static enum outcome outcome_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
		if (strcmp(outcomes[i].word, word) == 0)
			return outcomes[i].outcome;
	}
	ASSERT(!"land_suspects returned an unknown outcome");
	return OUTCOME_COUNT;
}

/* Why an event did not become a row, for its caller. */
static void settle_event(struct batch *b, size_t i, enum outcome o)
{
	const char *code = NULL, *detail = NULL;

	if (o == OUTCOME_CONFLICT) {
		code = "conflict";
		detail = CONFLICT_DETAIL;
	} else if (o == OUTCOME_DEAD_LETTER) {
		code = "tenant_deleted";
		detail = TENANT_DELETED_DETAIL;
	}
	batch_settle_event(b, i, o, code, detail);
}

/* The result before the commit's has a row (ordinal from 1, outcome) for each event. */
static void on_resolved(void *arg, const struct pgresult *r, const struct err *e)
{
	struct landing *l = arg;
	struct batch *b = l->batch;
	size_t resolved;

	OBJ_CHECK(l, LANDING_MAGIC);
	if (e != NULL) {
		failed(l, e);
		return;
	}
	resolved = pgresult_count(r) - 2;
	ASSERT(pgresult_rows(r, resolved) == b->nitems);
	for (size_t row = 0; row < pgresult_rows(r, resolved); row++) {
		size_t i = (size_t)pgresult_i64(r, resolved, row, 0) - 1;
		enum outcome o = outcome_of(pgresult_text(r, resolved, row, 1));

		ASSERT(i < b->nitems);
		l->report.accepted += o == OUTCOME_ACCEPTED;
		l->report.duplicates += o == OUTCOME_DUPLICATE;
		l->report.conflicts += o == OUTCOME_CONFLICT;
		l->report.dropped += o == OUTCOME_DEAD_LETTER;
		settle_event(b, i, o);
	}
	b->nitems = 0;
	settle_dead(l);
	end(l, LANDING_DONE);
}

static void careful(struct landing *l)
{
	l->report.careful = true;
	strbuf_reset(&l->suspects);
	strbuf_reserve(&l->suspects, l->batch->rows.len + 16 * l->batch->nitems);
	batch_suspect_stream(l->batch, &l->suspects);
	l->copies[0] = strbuf_slice(&l->suspects);
	l->copies[1] = batch_dead_stream(l->batch);
	pgconn_script(l->conn, SQL_ingestd_land_suspects.text, l->copies, 2, l->timeout_ms,
		      on_resolved, l);
}

/* ---- the fast way: straight into the table */

static void on_landed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct landing *l = arg;

	OBJ_CHECK(l, LANDING_MAGIC);
	(void)r;
	if (e != NULL && (pg_error_class(e) == PG_ERROR_UNIQUE ||
			  strcmp(e->sqlstate, SQLSTATE_TENANT_DELETED) == 0)) {
		careful(l);
		return;
	}
	if (e != NULL) {
		failed(l, e);
		return;
	}
	l->report.accepted = l->batch->nitems;
	batch_settle_events(l->batch, OUTCOME_ACCEPTED);
	settle_dead(l);
	end(l, LANDING_DONE);
}

static void fast(struct landing *l)
{
	/* by the number of its streams: without the last ones where these are empty */
	static const struct sql_stmt *const scripts[] = {
		[3] = &SQL_ingestd_land_batch,
		[4] = &SQL_ingestd_land_batch_control,
		[5] = &SQL_ingestd_land_batch_dead,
	};
	const struct sql_stmt *script;
	size_t ncopies = 3;

	strbuf_reset(&l->deltas);
	strbuf_reset(&l->record);
	strbuf_reset(&l->controls);
	batch_delta_stream(l->batch, &l->deltas);
	batch_record_stream(l->batch, &l->record);
	if (batch_control_stream(l->batch, &l->controls) > 0)
		ncopies = 4;
	if (l->batch->ndead > 0)
		ncopies = 5;
	l->copies[0] = batch_event_stream(l->batch);
	l->copies[1] = strbuf_slice(&l->deltas);
	l->copies[2] = strbuf_slice(&l->record);
	l->copies[3] = strbuf_slice(&l->controls);
	l->copies[4] = batch_dead_stream(l->batch);
	script = scripts[ncopies];
	pgconn_script(l->conn, script->text, l->copies, ncopies, l->timeout_ms, on_landed, l);
}

void landing_start(struct pgconn *c, struct batch *b, int64_t timeout_ms, landing_fn fn, void *arg)
{
	struct landing *l = xcalloc(1, sizeof(*l));

	l->magic = LANDING_MAGIC;
	l->conn = c;
	l->batch = b;
	l->timeout_ms = timeout_ms;
	l->fn = fn;
	l->arg = arg;
	l->started_us = clock_mono_us();
	l->deltas = l->record = l->controls = STRBUF_INIT;
	strbuf_init(&l->suspects, 2 * b->rows.max);
	if (b->careful)
		careful(l);
	else
		fast(l);
}
