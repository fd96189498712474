/*
 * The load as a chain of steps, a file and in it a piece at a time; see load.h.
 *
 *   open file ─▶ read piece ─▶ wait for room ─▶ land ─▶ note ─▶ read piece … ─▶ next file
 */
#include "ingestd/door/load.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/progress.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "ingestd/door/archive.h"
#include "ingestd/ingestd.h"
#include "sql_gen.h"

#define LOAD_MAGIC         OBJ_MAGIC('L')
#define PIECE_BYTES        ((size_t)2 << 20)
#define STATEMENT_LIMIT_MS 30000
#define LOOK_EVERY_MS      20
#define AGAIN_MS           200
#define STUCK_MS           60000 /* without anything landing: give up */

struct load {
	unsigned magic;
	struct ingestd *ingestd;
	struct archive *archive;
	bool again;
	size_t file; /* the next one */
	struct slice piece;
	struct daemon_timer *timer;
	int64_t alive_ms; /* when something went well last */
	int64_t before;   /* bytes of the files that are done */
	size_t skipped;
	int64_t counts[OUTCOME_COUNT], of_file[OUTCOME_COUNT];
	struct progress progress;
};

static const struct caller_tenants everybody = {.limited = false};

static void next_file(struct load *l);
static void next_piece(struct load *l);
static void land(struct load *l);

/* ---- the end */

static void end(struct load *l, enum daemon_exit code)
{
	static const char *const names[OUTCOME_COUNT] = {
		[OUTCOME_ACCEPTED] = "accepted",
		[OUTCOME_DUPLICATE] = "duplicates",
		[OUTCOME_CONFLICT] = "conflicts",
		[OUTCOME_DEAD_LETTER] = "deadLettered",
	};
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	progress_clear(&l->progress);
	jw_init(&w, &out);
	jw_object(&w);
	jw_key(&w, "files");
	jw_i64(&w, (int64_t)(l->file - l->skipped));
	jw_key(&w, "loadedBefore");
	jw_i64(&w, (int64_t)l->skipped);
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		jw_key(&w, names[i]);
		jw_i64(&w, l->counts[i]);
	}
	jw_end(&w);
	(void)puts(strbuf_cstr(&out));
	(void)fflush(stdout);
	strbuf_clear(&out);
	daemon_quit(l->ingestd->daemon, code);
}

static bool failed(struct load *l, const struct err *e)
{
	if (e == NULL)
		return false;
	if (e->code != -ECANCELED) {
		progress_clear(&l->progress);
		log_error("cannot go on", LOG_S("error", e->msg));
		end(l, DAEMON_TEMPORARY);
	}
	return true;
}

/* ---- noting how far it is */

static void on_noted(void *arg, const struct pgresult *r, const struct err *e)
{
	struct load *l = arg;

	OBJ_CHECK(l, LOAD_MAGIC);
	(void)r;
	if (failed(l, e))
		return;
	if (l->piece.len == 0)
		next_file(l);
	else
		next_piece(l);
}

/* After the last piece of a file, which is empty, it is done. */
static void note(struct load *l)
{
	const struct archive_file *f = archive_file(l->archive, l->file - 1);
	char numbers[OUTCOME_COUNT + 3][24];
	const char *params[OUTCOME_COUNT + 5];
	size_t n = 0;

	(void)snprintf(numbers[n++], sizeof(numbers[0]), "%lld", (long long)f->size_bytes);
	(void)snprintf(numbers[n++], sizeof(numbers[0]), "%lld", (long long)f->modified_us);
	(void)snprintf(numbers[n++], sizeof(numbers[0]), "%lld",
		       (long long)archive_offset(l->archive));
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		(void)snprintf(numbers[n++], sizeof(numbers[0]), "%lld", (long long)l->of_file[i]);
		l->of_file[i] = 0;
	}
	params[0] = f->path;
	for (size_t i = 0; i < n; i++)
		params[i + 1] = numbers[i];
	params[n + 1] = l->piece.len == 0 ? "true" : "false";
	pgpool_exec(l->ingestd->warehouse, NULL, &SQL_ingestd_note_archive, params,
		    STATEMENT_LIMIT_MS, on_noted, l);
}

/* ---- landing a piece */

static void on_settled(void *arg, const struct submission *s)
{
	struct load *l = arg;
	int64_t now = clock_mono_ms();
	char what[64];

	OBJ_CHECK(l, LOAD_MAGIC);
	if (s->failed) { /* no room for the tenant, or the warehouse is away: all of it again */
		if (now - l->alive_ms > STUCK_MS) {
			log_error("cannot go on: nothing has landed for a minute");
			end(l, DAEMON_TEMPORARY);
			return;
		}
		daemon_timer_arm(l->timer, s->refusal.retry_after_s * 1000 > AGAIN_MS
						   ? (int64_t)(s->refusal.retry_after_s * 1000)
						   : AGAIN_MS);
		return;
	}
	l->alive_ms = now;
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		l->of_file[i] += (int64_t)s->counts[i];
		l->counts[i] += (int64_t)s->counts[i];
	}
	(void)snprintf(what, sizeof(what), "%lld events  %lld repeated",
		       (long long)l->counts[OUTCOME_ACCEPTED],
		       (long long)l->counts[OUTCOME_DUPLICATE]);
	progress_draw(&l->progress, l->before + archive_consumed(l->archive),
		      archive_size_bytes(l->archive), what);
	note(l);
}

static void land(struct load *l)
{
	struct intake_refusal why;

	if (intake_door(l->ingestd->intake, l->piece.len) != BATCHER_OPEN) {
		if (clock_mono_ms() - l->alive_ms > STUCK_MS) {
			log_error("cannot go on: the warehouse takes no batch");
			end(l, DAEMON_TEMPORARY);
			return;
		}
		daemon_timer_arm(l->timer, LOOK_EVERY_MS);
		return;
	}
	/* lines are never refused as a whole from somebody who may send for everybody */
	if (intake_lines(l->ingestd->intake, l->piece, &everybody, on_settled, l, &why) < 0) {
		log_error("cannot go on", LOG_S("error", why.detail));
		end(l, DAEMON_BUG);
	}
}

static void on_timer(void *arg)
{
	struct load *l = arg;

	OBJ_CHECK(l, LOAD_MAGIC);
	if (l->piece.len > 0)
		land(l);
}

static void next_piece(struct load *l)
{
	struct err e = ERR_INIT;
	int r;

	l->piece = (struct slice){NULL, 0};
	r = archive_next(l->archive, PIECE_BYTES, &l->piece, &e);
	if (r < 0) {
		log_error("the archive cannot be read", LOG_S("error", e.msg));
		end(l, DAEMON_UNAVAILABLE);
	} else if (r == 0) {
		l->piece.len = 0;
		note(l);
	} else {
		land(l);
	}
}

/* ---- files */

/* 0 or 1 rows: (offset_bytes, finished). */
static void on_opened(void *arg, const struct pgresult *r, const struct err *e)
{
	struct load *l = arg;
	struct err bad = ERR_INIT;
	int64_t offset = 0;

	OBJ_CHECK(l, LOAD_MAGIC);
	if (failed(l, e))
		return;
	if (pgresult_rows(r, 0) == 1 && !l->again) {
		if (pgresult_bool(r, 0, 0, 1)) {
			l->skipped++;
			next_file(l);
			return;
		}
		offset = pgresult_i64(r, 0, 0, 0);
	}
	if (archive_read(l->archive, l->file - 1, offset, &bad) < 0) {
		log_error("the archive cannot be read", LOG_S("error", bad.msg));
		end(l, DAEMON_UNAVAILABLE);
		return;
	}
	next_piece(l);
}

static void next_file(struct load *l)
{
	const struct archive_file *f;
	char size[24], modified[24];
	const char *params[] = {NULL, size, modified};

	if (l->file > 0)
		l->before += archive_file(l->archive, l->file - 1)->size_bytes;
	if (l->file == archive_files(l->archive)) {
		end(l, l->counts[OUTCOME_CONFLICT] + l->counts[OUTCOME_DEAD_LETTER] > 0
			       ? DAEMON_DATA
			       : DAEMON_OK);
		return;
	}
	f = archive_file(l->archive, l->file++);
	(void)snprintf(size, sizeof(size), "%lld", (long long)f->size_bytes);
	(void)snprintf(modified, sizeof(modified), "%lld", (long long)f->modified_us);
	params[0] = f->path;
	pgpool_exec(l->ingestd->warehouse, NULL, &SQL_ingestd_open_archive, params,
		    STATEMENT_LIMIT_MS, on_opened, l);
}

/* ---- the start */

static void on_schema(void *arg)
{
	struct load *l = arg;

	OBJ_CHECK(l, LOAD_MAGIC);
	batcher_start(l->ingestd->batcher);
	l->alive_ms = clock_mono_ms();
	next_file(l);
}

int load_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	const struct ingestd_config *conf = daemon_conf(d);
	struct ingestd *st = state;
	bool again = argc > 0 && strcmp(argv[0], "--again") == 0;
	struct load *l;
	int r;

	if (argc - again < 1)
		return err_set(e, -EINVAL, "load: which files or folders?");
	l = xcalloc(1, sizeof(*l));
	l->magic = LOAD_MAGIC;
	l->ingestd = st;
	l->again = again;
	st->daemon = d;
	st->load = l;
	r = archive_open(argv + again, (size_t)(argc - again), &l->archive, e);
	if (r < 0)
		return r;
	progress_start(&l->progress);
	l->timer = daemon_timer_new(d, STUCK_MS, 0, on_timer, l);
	r = ingestd_open_landing(st, conf, e);
	if (r < 0)
		return r;
	st->schema = schema_check_new(d, st->warehouse, "warehouse schema",
				      &SQL_schema_version_warehouse, SQL_WAREHOUSE_VERSION,
				      on_schema, l);
	return 0;
}

void load_free(struct load *l)
{
	if (l == NULL)
		return;
	daemon_timer_free(l->timer);
	archive_free(l->archive);
	l->magic = 0;
	free(l);
}
