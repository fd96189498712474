/*
 * Three sieves, each finer and slower than the one before; see shapes.h.
 *
 *   seen (by the scanner's hash) ─new─▶ known (by fingerprint) ─new─▶ waiting ─▶ event_shape
 */
#include "ingestd/landing/shapes.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "ingestd/reading/fingerprint.h"
#include "ingestd/reading/swar.h"
#include "sql_gen.h"

#define SHAPES_MAGIC     OBJ_MAGIC('h')
#define SEEN_MAX         16384 /* a power of two; a later hash takes the place of an earlier one */
#define KNOWN_MAX        4096  /* then nothing more is written by this process */
#define KNOWN_BUCKETS    8192  /* a power of two above it */
#define PER_SUBJECT_MAX  64    /* of one subject and version */
#define WAITING_MAX      256
#define LOOKS_PER_SECOND 200
#define WRITE_TIMEOUT_MS 5000
#define RETRY_MS         5000

/* One to be written. */
struct shape {
	struct shape *next;
	char *subject, *paths;
	char version[24], fingerprint[24];
};

struct shapes {
	unsigned magic;
	struct pgpool *pool;
	uint64_t seen[SEEN_MAX];
	uint64_t known[KNOWN_BUCKETS];    /* fingerprints; 0: free */
	uint64_t subjects[KNOWN_BUCKETS]; /* hash of a subject and version; 0: free … */
	uint8_t counts[KNOWN_BUCKETS];    /* … and how many shapes it has had */
	size_t nknown;
	int64_t second; /* of looks */
	int looks;
	struct shape *waiting, **waiting_tail;
	size_t nwaiting;
	bool writing;
	struct daemon_timer *retry;
	struct metric *recorded;
};

static uint64_t step(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

/* Of the subject (17 bytes at least, see rules.c) by eights, the last overlapping the one before.
 */
static uint64_t subject_hash(const struct event *ev)
{
	struct slice s = ev->subject;
	uint64_t h = (uint64_t)ev->schema_version + s.len;

	ASSERT(s.len >= 8);
	for (size_t i = 0; i + 8 < s.len; i += 8)
		h = step(h, swar_load(s.ptr + i));
	return step(h, swar_load(s.ptr + s.len - 8));
}

/* ---- writing */

static void write_next(void *arg);

static void drop_first(struct shapes *s)
{
	struct shape *first = s->waiting;

	s->waiting = first->next;
	if (s->waiting == NULL)
		s->waiting_tail = &s->waiting;
	s->nwaiting--;
	free(first->subject);
	free(first->paths);
	free(first);
}

static void on_written(void *arg, const struct pgresult *r, const struct err *e)
{
	struct shapes *s = arg;

	(void)r;
	OBJ_CHECK(s, SHAPES_MAGIC);
	s->writing = false;
	if (e != NULL && e->code == -ECANCELED)
		return;
	if (e != NULL) {
		log_warn("event shape not recorded", LOG_S("error", e->msg));
		daemon_timer_arm(s->retry, RETRY_MS);
		return;
	}
	metric_add(s->recorded, 1);
	drop_first(s);
	write_next(s);
}

static void write_next(void *arg)
{
	struct shapes *s = arg;
	const struct shape *first = s->waiting;

	OBJ_CHECK(s, SHAPES_MAGIC);
	if (s->writing || first == NULL)
		return;
	s->writing = true;
	pgpool_exec(s->pool, NULL, &SQL_ingestd_record_shape,
		    (const char *const[]){first->subject, first->version, first->fingerprint,
					  first->paths},
		    WRITE_TIMEOUT_MS, on_written, s);
}

static void append(struct shapes *s, const struct event *ev, int64_t fingerprint,
		   struct slice paths)
{
	struct shape *shape = xcalloc(1, sizeof(*shape));

	shape->subject = xstrndup(ev->subject.ptr, ev->subject.len);
	shape->paths = xstrndup(paths.ptr, paths.len);
	(void)snprintf(shape->version, sizeof(shape->version), "%lld",
		       (long long)ev->schema_version);
	(void)snprintf(shape->fingerprint, sizeof(shape->fingerprint), "%lld",
		       (long long)fingerprint);
	*s->waiting_tail = shape;
	s->waiting_tail = &shape->next;
	s->nwaiting++;
	if (!s->writing)
		daemon_timer_arm(s->retry, 0);
}

/* ---- sieves */

/* The place of a key in an open table of KNOWN_BUCKETS, or the free one where it belongs. Never
 * full: both tables hold KNOWN_MAX at most. */
static uint64_t *find(uint64_t *table, uint64_t key)
{
	size_t i = key % KNOWN_BUCKETS;

	while (table[i] != 0 && table[i] != key)
		i = (i + 1) % KNOWN_BUCKETS;
	return &table[i];
}

/* New, and still within what is remembered. Remembers it. */
static bool is_new(struct shapes *s, uint64_t subject, int64_t fingerprint)
{
	uint64_t key = step(subject, (uint64_t)fingerprint) | 1; /* not 0 */
	uint64_t *known = find(s->known, key), *counted = find(s->subjects, subject | 1);
	uint8_t *count = &s->counts[counted - s->subjects];

	if (*known != 0 || s->nknown == KNOWN_MAX || *count == PER_SUBJECT_MAX)
		return false;
	*known = key;
	*counted = subject | 1;
	++*count;
	if (++s->nknown == KNOWN_MAX)
		log_warn("too many event shapes, no more are recorded", LOG_I("shapes", KNOWN_MAX));
	return true;
}

static bool may_look(struct shapes *s)
{
	int64_t second = clock_mono_ms() / 1000;

	if (second != s->second) {
		s->second = second;
		s->looks = 0;
	}
	return s->nwaiting < WAITING_MAX && s->looks++ < LOOKS_PER_SECOND;
}

static void look(struct shapes *s, const struct event *ev, uint64_t subject, struct slice text)
{
	struct arena *arena = arena_new();
	struct slice paths;
	int64_t fingerprint = fingerprint_make(text, arena, &paths);

	if (is_new(s, subject, fingerprint))
		append(s, ev, fingerprint, paths);
	arena_free(arena);
}

void shapes_note(struct shapes *s, const struct event *ev, struct slice text)
{
	uint64_t subject = subject_hash(ev), hash = step(subject, ev->shape) | 1;
	uint64_t *seen = &s->seen[hash % SEEN_MAX];

	if (*seen == hash || !may_look(s))
		return;
	*seen = hash;
	look(s, ev, subject, text);
}

/* ---- life */

struct shapes *shapes_new(struct daemon *d, struct pgpool *warehouse)
{
	struct shapes *s = xcalloc(1, sizeof(*s));

	s->magic = SHAPES_MAGIC;
	s->pool = warehouse;
	s->waiting_tail = &s->waiting;
	s->retry = daemon_timer_new(d, RETRY_MS, 0, write_next, s);
	s->recorded = metrics_counter("ingest_shapes_recorded_total", "Event shapes written");
	return s;
}

void shapes_free(struct shapes *s)
{
	if (s == NULL)
		return;
	OBJ_CHECK(s, SHAPES_MAGIC);
	while (s->waiting != NULL)
		drop_first(s);
	daemon_timer_free(s->retry);
	s->magic = 0;
	free(s);
}
