/*
 * bench_dedupe KEYS ROUNDS: what deduplication costs. Lands EVENTS new events, 1000 a batch, by
 * ingestd's own batches and scripts into raw where KEYS keys have landed before, with no
 * redeliveries
 * ("none") and with 1 % ("some": of one of the 5,000 events before, told by the set of recent ids,
 * and landed carefully every few batches as ingestd does); beside the same COPY into a heap without
 * an index ("heap"). They take turns. Works on the migrated database that DATABASE_URL names;
 * prints `NAME: events/s of each round`. Exit: 0 done; 64 usage; 69 the server refused; 70 a wrong
 * count.
 */
#include <inttypes.h>

#include <libpq-fe.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/num.h"
#include "ingestd/landing/batch.h"
#include "ingestd/landing/recent.h"
#include "sql_gen.h"

enum { EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69, EXIT_WRONG = 70 };
enum { EVENTS = 50000, BATCH = 1000, BACK = 5000, PERCENT = 100, CAREFUL_EVERY = 4 };
enum { CHUNK = 256 << 10, BODY = 740, ROUNDS_MAX = 50 };
#define BYTES_MAX ((size_t)64 << 20)

#define COLUMNS                                                                          \
	"dedupe_key, tenant_id, event_id, subject, domain, occurred_at, published_at, "  \
	"received_at, batch_id, aggregate_type, aggregate_id, aggregate_version, "       \
	"schema_version, producer, correlation_id, causation_id, traceparent, "          \
	"ordering_key, retention_class, retention_word, data_residency, sampling_rate, " \
	"content_hash, payload_key, attributes, body"
#define KEY(n) "left(analytics_run.ulid_floor('2024-05-01Z'), 10) || lpad((" n ")::text, 16, '0')"

static const char heap_script[] = "begin; copy public.bench_heap (" COLUMNS
				  ") from stdin (format binary); commit;";
static const char make_heap[] = "create table public.bench_heap (like events_raw.event)";
static const char preload[] =
	"insert into events_raw.event (dedupe_key, tenant_id, event_id, subject, domain, "
	"occurred_at, received_at, batch_id, retention_class, sampling_rate, content_hash, body) "
	"select " KEY("n") ", 'tnt_01HE6N8S00E970RG16P50GXS39', 'evt', "
			   "'melmastoon.reservation.held.v1', 'reservation', '2024-05-01Z', "
			   "'2024-05-01Z', n / 1000, "
			   "'regulated', 1, '\\x00', '{}' from generate_series(1, %" PRId64 ") n";

struct bench {
	PGconn *db;
	struct recent *recent;
	struct submission *owner;
	char prefix[11], body[BODY];
	uint64_t next;      /* number of the next new event of raw */
	uint64_t heap_next; /* the same of the heap: what is only there is not delivered again */
	int64_t batch_id;
	size_t accepted, duplicates;
	uint64_t dice;
};

static void die(struct bench *b, const char *what)
{
	fprintf(stderr, "bench_dedupe: %s: %s", what, PQerrorMessage(b->db));
	exit(EXIT_UNAVAILABLE);
}

static void statement(struct bench *b, const char *sql)
{
	PGresult *r = PQexec(b->db, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		die(b, sql);
	PQclear(r);
}

static void feed(struct bench *b, struct slice stream)
{
	for (size_t at = 0, n; at < stream.len; at += n) {
		n = stream.len - at < CHUNK ? stream.len - at : CHUNK;
		if (PQputCopyData(b->db, stream.ptr + at, (int)n) != 1)
			die(b, "copy");
	}
	if (PQputCopyEnd(b->db, NULL) != 1)
		die(b, "copy");
}

/* Feeds each COPY of the script from its stream; the last result with rows, or NULL. */
static PGresult *script(struct bench *b, const char *text, const struct slice *copies, size_t n)
{
	PGresult *r, *rows = NULL;

	if (PQsendQuery(b->db, text) != 1)
		die(b, "send");
	while ((r = PQgetResult(b->db)) != NULL) {
		if (PQresultStatus(r) == PGRES_COPY_IN) {
			ASSERT(n > 0);
			feed(b, *copies++);
			n--;
		} else if (PQresultStatus(r) == PGRES_TUPLES_OK) {
			PQclear(rows);
			rows = r;
			continue;
		} else if (PQresultStatus(r) != PGRES_COMMAND_OK) {
			die(b, "script");
		}
		PQclear(r);
	}
	return rows;
}

static void add(struct bench *b, struct batch *fast, struct batch *suspects, uint64_t n)
{
	static struct event ev;
	char key[32];
	int len = snprintf(key, sizeof(key), "%s%016llu", b->prefix, (unsigned long long)n);
	bool seen;

	ev = (struct event){
		.event_id = {key, (size_t)len},
		.dedupe_key = {key, (size_t)len},
		.subject = SLICE_LIT("melmastoon.reservation.confirmed.v1"),
		.domain = SLICE_LIT("reservation"),
		.tenant_id = SLICE_LIT("tnt_01HE6N8S00E970RG16P50GXS39"),
		.occurred_at_us = 1714521600000000,
		.published_at_us = 1714521600000000,
		.aggregate_type = SLICE_LIT("reservation"),
		.aggregate_id = SLICE_LIT("rsv_01HE6RPMM0HWWZYR6X3VC5WG9E"),
		.aggregate_version = 3,
		.schema_version = 1,
		.producer = SLICE_LIT("reservation-service"),
		.correlation_id = SLICE_LIT("req_01HE6RPMM0RW1Y80EAJHG4PGMN"),
		.traceparent = SLICE_LIT("00-6fb198aa41d7f88288fbc7ca43753075-6fb198aa41d7f882-01"),
		.retention_class = SLICE_LIT("regulated"),
		.retention_word = SLICE_LIT("operational_7y"),
		.sampling_rate = 1,
		.payload_key = "payload",
	};
	hash_sha256(ev.dedupe_key, ev.content_hash);
	seen = recent_seen(b->recent, recent_hash(ev.tenant_id, ev.dedupe_key));
	batch_add_event(seen ? suspects : fast, b->owner, 0, &ev,
			(struct slice){b->body, sizeof(b->body)}, (struct slice){NULL, 0},
			clock_wall_us());
}

static void land_fast(struct bench *b, struct batch *batch, bool heap)
{
	struct strbuf deltas = STRBUF_INIT, record = STRBUF_INIT;

	batch_assign_id(batch, ++b->batch_id);
	batch_delta_stream(batch, &deltas);
	batch_record_stream(batch, &record);
	PQclear(script(b, heap ? heap_script : SQL_ingestd_land_batch.text,
		       (struct slice[]){batch_event_stream(batch), strbuf_slice(&deltas),
					strbuf_slice(&record)},
		       3));
	b->accepted += batch->nitems;
	strbuf_clear(&deltas);
	strbuf_clear(&record);
	batch_settle_events(batch, OUTCOME_ACCEPTED);
	batch_free(batch);
}

static void land_suspects(struct bench *b, struct batch *batch)
{
	struct strbuf rows;
	PGresult *r;

	strbuf_init(&rows, 2 * BYTES_MAX);
	batch_assign_id(batch, ++b->batch_id);
	batch_suspect_stream(batch, &rows);
	r = script(b, SQL_ingestd_land_suspects.text,
		   (struct slice[]){strbuf_slice(&rows), batch_dead_stream(batch)}, 2);
	for (int i = 0; i < PQntuples(r); i++)
		b->duplicates += strcmp(PQgetvalue(r, i, 1), "duplicate") == 0;
	PQclear(r);
	strbuf_clear(&rows);
	batch_settle_events(batch, OUTCOME_DUPLICATE);
	batch_free(batch);
}

static double round_of(struct bench *b, bool heap, bool redeliver)
{
	struct batch *suspects = batch_new(true, BYTES_MAX);
	uint64_t *next = heap ? &b->heap_next : &b->next;
	int64_t began_us;

	statement(b, "checkpoint");
	b->accepted = b->duplicates = 0;
	began_us = clock_mono_us();
	for (int i = 0; i < EVENTS / BATCH; i++) {
		struct batch *batch = batch_new(false, BYTES_MAX);

		for (int k = 0; k < BATCH; k++) {
			b->dice = b->dice * 6364136223846793005U + 1442695040888963407U;
			if (redeliver && (b->dice >> 33) % PERCENT == 0)
				add(b, batch, suspects, *next - 1 - (b->dice >> 40) % BACK);
			else
				add(b, batch, suspects, (*next)++);
		}
		land_fast(b, batch, heap);
		if (suspects->nitems > 0 && i % CAREFUL_EVERY == CAREFUL_EVERY - 1) {
			land_suspects(b, suspects);
			suspects = batch_new(true, BYTES_MAX);
		}
	}
	if (suspects->nitems > 0)
		land_suspects(b, suspects);
	else
		batch_free(suspects);
	if (b->accepted + b->duplicates != EVENTS || (!redeliver && b->duplicates > 0)) {
		fprintf(stderr, "bench_dedupe: %zu accepted, %zu duplicates of %d\n", b->accepted,
			b->duplicates, EVENTS);
		exit(EXIT_WRONG);
	}
	return EVENTS / ((double)(clock_mono_us() - began_us) / 1e6);
}

static void open_bench(struct bench *b, const char *url, int64_t keys)
{
	char sql[1024];
	PGresult *r;

	b->db = PQconnectdb(url);
	if (PQstatus(b->db) != CONNECTION_OK)
		die(b, "connect");
	statement(b, "set client_min_messages = warning");
	statement(b, make_heap);
	(void)snprintf(sql, sizeof(sql), preload, keys);
	statement(b, sql);
	statement(b, "vacuum analyze events_raw.event");
	r = PQexec(b->db, "select left(analytics_run.ulid_floor('2024-05-01Z'), 10)");
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		die(b, "prefix");
	(void)snprintf(b->prefix, sizeof(b->prefix), "%s", PQgetvalue(r, 0, 0));
	PQclear(r);
	b->next = (uint64_t)keys + 1;
	b->heap_next = UINT64_C(1) << 40;
	b->batch_id = keys;
	b->recent = recent_new(524288);
	b->owner = submission_new(NULL, NULL);
	b->dice = 1;
	memset(b->body, 'x', sizeof(b->body));
	b->body[0] = b->body[sizeof(b->body) - 1] = '"';
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool heap, redeliver;
	} candidates[] = {{"heap", true, false}, {"none", false, false}, {"some", false, true}};
	static double rates[ARRAY_SIZE(candidates)][ROUNDS_MAX];
	const char *url = getenv("DATABASE_URL");
	int64_t keys, rounds;
	struct bench b = {0};

	if (url == NULL || argc != 3 || num_i64(slice_of(argv[1]), BACK, INT32_MAX, &keys) != 0 ||
	    num_i64(slice_of(argv[2]), 1, ROUNDS_MAX, &rounds) != 0) {
		fprintf(stderr, "usage: DATABASE_URL=... bench_dedupe KEYS ROUNDS\n");
		return EXIT_USAGE;
	}
	open_bench(&b, url, keys);
	(void)round_of(&b, false, false); /* warm */
	for (int64_t round = 0; round < rounds; round++) {
		for (size_t k = 0; k < ARRAY_SIZE(candidates); k++) {
			size_t c = ((size_t)round + k) % ARRAY_SIZE(candidates);

			rates[c][round] = round_of(&b, candidates[c].heap, candidates[c].redeliver);
		}
	}
	for (size_t c = 0; c < ARRAY_SIZE(candidates); c++) {
		printf("%s:", candidates[c].name);
		for (int64_t round = 0; round < rounds; round++)
			printf(" %.0f", rates[c][round]);
		printf("\n");
	}
	submission_seal(b.owner);
	recent_free(b.recent);
	PQfinish(b.db);
	return 0;
}
