/* The replay as a chain of steps, a page of letters at a time; see replay.h. */
#include "ingestd/letter/replay.h"

#include <errno.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "ingestd/letter/dead_letter_print.h"
#include "ingestd/letter/letter.h"
#include "sql_gen.h"

#define REPLAY_MAGIC       OBJ_MAGIC('R')
#define STATEMENT_LIMIT_MS 30000
#define DOOR_LOOK_MS       20
#define DOOR_WAIT_MS       30000

struct replay {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *warehouse;
	struct batcher *batcher;
	struct replay_options options;
	struct letter_reader *reader;
	struct arena *arena; /* of the page */
	struct letter *letters;
	size_t nletters, landing; /* landing: not settled yet, plus one while they are added */
	char after[40];           /* the last id of the page before */
	struct strbuf json;       /* a parameter */
	struct daemon_timer *door;
	int64_t door_deadline_ms;
	bool started, failed;
	int64_t counts[2]; /* replayed, still bad */
};

static void next_page(struct replay *r);

/* ---- the end */

static void end(struct replay *r, enum daemon_exit code)
{
	(void)fprintf(stderr, "%s%lld %s, %lld still bad\n",
		      code == DAEMON_TEMPORARY ? "stopped: " : "", (long long)r->counts[0],
		      r->options.query->dry_run ? "would land or have landed" : "replayed",
		      (long long)r->counts[1]);
	daemon_quit(r->daemon, code);
}

static bool stopped(struct replay *r, const struct err *e)
{
	if (e == NULL)
		return false;
	if (e->code != -ECANCELED) {
		log_error("cannot go on", LOG_S("error", e->msg));
		end(r, DAEMON_TEMPORARY);
	}
	return true;
}

/* ---- marking and telling */

static void tell(struct replay *r)
{
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < r->nletters; i++) {
		const struct letter *l = &r->letters[i];

		if (l->outcome == NULL) /* not landed and not refused: it is as it was */
			continue;
		r->counts[l->bad]++;
		dead_letter_print_outcome(l->id, l->reason, l->outcome, l->place, r->options.json,
					  &out);
	}
	(void)fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	(void)fflush(stdout);
	strbuf_clear(&out);
}

static void page_done(struct replay *r)
{
	tell(r);
	if (r->failed)
		end(r, DAEMON_TEMPORARY);
	else
		next_page(r);
}

/* Rows (dead_letter_id, outcome): what was superseded is known only there. */
static void on_marked(void *arg, const struct pgresult *res, const struct err *e)
{
	struct replay *r = arg;

	OBJ_CHECK(r, REPLAY_MAGIC);
	if (stopped(r, e))
		return;
	for (size_t row = 0; row < pgresult_rows(res, 0); row++) {
		const char *id = pgresult_text(res, 0, row, 0);
		const char *outcome = pgresult_text(res, 0, row, 1);

		for (size_t i = 0; outcome != NULL && i < r->nletters; i++) {
			struct letter *l = &r->letters[i];

			if (strcmp(l->id, id) == 0)
				l->outcome = arena_strdup(r->arena, outcome);
		}
	}
	page_done(r);
}

static void put(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_str(w, value);
}

static void mark(struct replay *r)
{
	struct json_writer w;
	const char *params[1];

	strbuf_reset(&r->json);
	jw_init(&w, &r->json);
	jw_array(&w);
	for (size_t i = 0; i < r->nletters; i++) {
		const struct letter *l = &r->letters[i];

		if (l->outcome == NULL)
			continue;
		jw_object(&w);
		put(&w, "id", l->id);
		put(&w, l->bad ? "reason" : "outcome", l->outcome);
		put(&w, "place", l->place);
		put(&w, "severity", l->severity);
		jw_end(&w);
	}
	jw_end(&w);
	params[0] = r->json.ptr;
	pgpool_exec(r->warehouse, NULL, &SQL_ingestd_mark_replayed, params, STATEMENT_LIMIT_MS,
		    on_marked, r);
}

/* ---- landing */

static void landed_one(struct replay *r)
{
	if (--r->landing == 0)
		mark(r);
}

static void on_settled(void *arg, const struct submission *s)
{
	struct letter *l = arg;
	struct replay *r = l->replay;

	OBJ_CHECK(r, REPLAY_MAGIC);
	if (s->failed)
		r->failed = true;
	else if (s->nerrors > 0) /* the landing keeps a letter of its own for a conflict */
		letter_stays_bad(l, arena_strdup(r->arena, s->errors[0].code), "warning",
				 s->errors[0].detail);
	else
		l->outcome = s->counts[OUTCOME_ACCEPTED] > 0 ? "accepted" : "duplicate";
	landed_one(r);
}

static void land(struct replay *r)
{
	r->landing = 1;
	for (size_t i = 0; i < r->nletters; i++) {
		struct letter *l = &r->letters[i];
		struct submission *s;

		if (l->outcome != NULL)
			continue;
		r->landing++;
		s = submission_new(on_settled, l);
		batcher_add_event(r->batcher, s, 0, l->event, l->body, l->attributes,
				  clock_wall_us());
		batcher_take(r->batcher, s);
		submission_seal(s);
	}
	landed_one(r);
}

/* The warehouse was there a moment ago; batch ids may still be on their way. */
static void on_door(void *arg)
{
	struct replay *r = arg;

	OBJ_CHECK(r, REPLAY_MAGIC);
	if (batcher_door(r->batcher, 0) == BATCHER_OPEN) {
		land(r);
	} else if (clock_mono_ms() < r->door_deadline_ms) {
		daemon_timer_arm(r->door, DOOR_LOOK_MS);
	} else {
		log_error("cannot go on: the warehouse takes no batch");
		end(r, DAEMON_TEMPORARY);
	}
}

static void wait_for_door(struct replay *r)
{
	if (!r->started)
		batcher_start(r->batcher);
	r->started = true;
	r->door_deadline_ms = clock_mono_ms() + DOOR_WAIT_MS;
	on_door(r);
}

/* ---- what has landed already */

/* Rows (at, content_hash) of the letters whose key has landed. */
static void on_found(void *arg, const struct pgresult *res, const struct err *e)
{
	struct replay *r = arg;
	char hash[2 * HASH_SHA256_LEN + 1];

	OBJ_CHECK(r, REPLAY_MAGIC);
	if (stopped(r, e))
		return;
	for (size_t row = 0; row < pgresult_rows(res, 0); row++) {
		struct letter *l = &r->letters[pgresult_i64(res, 0, row, 0)];

		hash_hex(l->event->content_hash, sizeof(l->event->content_hash), hash);
		if (strcmp(hash, pgresult_text(res, 0, row, 1)) == 0)
			l->outcome = "duplicate";
		else
			letter_stays_bad(l, "conflict", "warning",
					 "another event with this id has landed before");
	}
	if (!r->options.query->dry_run) {
		wait_for_door(r);
		return;
	}
	for (size_t i = 0; i < r->nletters; i++) {
		if (r->letters[i].outcome == NULL)
			r->letters[i].outcome = "accepted";
	}
	page_done(r);
}

static void look_up(struct replay *r)
{
	struct json_writer w;
	const char *params[1];

	strbuf_reset(&r->json);
	jw_init(&w, &r->json);
	jw_array(&w);
	for (size_t i = 0; i < r->nletters; i++) {
		const struct event *ev = r->letters[i].event;

		if (ev == NULL)
			continue;
		jw_object(&w);
		jw_key(&w, "at");
		jw_i64(&w, (int64_t)i);
		jw_key(&w, "key");
		jw_slice(&w, ev->dedupe_key);
		jw_key(&w, "tenant");
		jw_slice(&w, ev->tenant_id);
		jw_end(&w);
	}
	jw_end(&w);
	params[0] = r->json.ptr;
	pgpool_exec(r->warehouse, NULL, &SQL_ingestd_find_events, params, STATEMENT_LIMIT_MS,
		    on_found, r);
}

/* ---- pages */

static void on_page(void *arg, const struct pgresult *res, const struct err *e)
{
	struct replay *r = arg;

	OBJ_CHECK(r, REPLAY_MAGIC);
	if (stopped(r, e))
		return;
	r->nletters = pgresult_rows(res, 0);
	if (r->nletters == 0) {
		end(r, r->counts[1] > 0 ? DAEMON_DATA : DAEMON_OK);
		return;
	}
	arena_free(r->arena);
	r->arena = arena_new();
	r->letters = arena_alloc(r->arena, r->nletters * sizeof(*r->letters));
	for (size_t row = 0; row < r->nletters; row++) {
		r->letters[row].replay = r;
		letter_read(r->reader, res, row, r->arena, &r->letters[row]);
	}
	(void)snprintf(r->after, sizeof(r->after), "%s", r->letters[r->nletters - 1].id);
	look_up(r);
}

static void next_page(struct replay *r)
{
	const char *params[DEAD_LETTER_PARAMS + 1];

	dead_letter_query_params(r->options.query, params);
	params[DEAD_LETTER_PARAMS] = r->after;
	pgpool_exec(r->warehouse, NULL, &SQL_ingestd_page_dead_letters, params, STATEMENT_LIMIT_MS,
		    on_page, r);
}

/* ---- life */

struct replay *replay_new(struct daemon *d, struct pgpool *warehouse, struct batcher *batcher,
			  const struct replay_options *o)
{
	struct replay *r = xcalloc(1, sizeof(*r));

	r->magic = REPLAY_MAGIC;
	r->daemon = d;
	r->warehouse = warehouse;
	r->batcher = batcher;
	r->options = *o;
	r->json = STRBUF_INIT;
	r->reader = letter_reader_new(o->conf->region);
	r->door = daemon_timer_new(d, DOOR_WAIT_MS, 0, on_door, r);
	next_page(r);
	return r;
}

void replay_free(struct replay *r)
{
	if (r == NULL)
		return;
	daemon_timer_free(r->door);
	letter_reader_free(r->reader);
	strbuf_clear(&r->json);
	arena_free(r->arena);
	r->magic = 0;
	free(r);
}
