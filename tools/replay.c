/*
 * tools/replay: sends NDJSON events through ingestd's front door and says what became of each.
 *
 * Lines are sent in batches over several connections; their order is not kept (ingestd and the
 * projections need none). A batch is acknowledged when its 200 has arrived, never before: a lost
 * answer counts as unacknowledged, or is sent again and comes back as duplicates. Memory is bounded
 * by connections x batch, whatever the file's size.
 *
 * The times of the last line are of batches, until the acknowledgement, failed attempts included.
 * They begin when the batch is sent, with --rate when the rate had it due (the producer must keep
 * up): a server that stands still is slow to all that should have been sent meanwhile, too.
 *
 * Exit: 0 every line accepted or duplicate; 65 some conflicting or dead-lettered; 75 some not
 * acknowledged; 64 usage; 66 the input cannot be read.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/strbuf.h"
#include "common/base/xalloc.h"
#include "tools/replay_http.h"
#include "tools/replay_ids.h"
#include "tools/replay_input.h"
#include "tools/replay_latency.h"
#include "tools/replay_options.h"

enum {
	EXIT_DATA = 65,
	EXIT_NO_INPUT = 66,
	EXIT_TEMPORARY = 75,
	BODY_TARGET = 4 << 20, /* a batch ends here even with few events */
	LINGER_MS = 20,        /* how long a partial batch waits for a slow producer */
	TICK_MS = 200,         /* progress bar; signals are noticed at least this often */
	COMPLAINTS_MAX = 8,    /* lines about single events on stderr */
};

struct batch {
	struct strbuf body, ids; /* ids: one a line, when they are collected */
	uint64_t *lines;         /* line number of each event */
	size_t count;
	int64_t began_ms; /* when its first line came */
};

enum slot_state { SLOT_IDLE, SLOT_SENT, SLOT_WAITS };

struct slot {
	enum slot_state state;
	struct batch batch;
	int64_t began_us;                      /* what its latency counts from */
	int64_t retry_at_ms, failing_since_ms; /* failing_since_ms 0: it has not failed yet */
	struct backoff backoff;
};

enum count { ACCEPTED, DUPLICATES, CONFLICTS, DEAD_LETTERED, COUNTS };
static const char *const count_keys[COUNTS] = {"accepted", "duplicates", "conflicts",
					       "deadLettered"};

struct replay {
	struct replay_options o;
	struct replay_input *input;
	struct replay_http *http;
	struct replay_ids *skip; /* NULL: leave nothing out */
	FILE *acked;             /* NULL: collect nothing */
	struct batch filling;
	struct slot *slots;
	struct strbuf id;
	bool input_waits, input_ended, refused; /* refused: 401, nothing more is sent */
	int64_t started_ms, outage_since_ms;    /* since when nothing was acknowledged, or 0 */
	uint64_t counts[COUNTS], sent, unacknowledged, skipped;
	struct replay_latency latency;
	int complaints;
	bool terminal;
	int64_t drawn_ms;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1; /* SA_RESETHAND: the second one ends us */
}

static void complain(struct replay *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void complain(struct replay *r, const char *fmt, ...)
{
	va_list ap;

	if (r->complaints++ > COMPLAINTS_MAX)
		return;
	if (r->terminal)
		fputs("\r\033[K", stderr);
	fputs("replay: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(r->complaints > COMPLAINTS_MAX ? "\nreplay: more like this follows\n" : "\n", stderr);
}

/* --- batches */

static void batch_clear(struct batch *b)
{
	strbuf_clear(&b->body);
	strbuf_clear(&b->ids);
	free(b->lines);
	*b = (struct batch){0};
}

static void batch_init(struct batch *b, size_t events)
{
	*b = (struct batch){.body = STRBUF_INIT, .ids = STRBUF_INIT};
	b->lines = xcalloc(events, sizeof(*b->lines));
}

static void batch_reset(struct batch *b)
{
	strbuf_reset(&b->body);
	strbuf_reset(&b->ids);
	b->count = 0;
}

static void add_line(struct replay *r, struct slice line)
{
	struct batch *b = &r->filling;
	bool has_id = false;

	if (r->skip != NULL || r->acked != NULL)
		has_id = replay_id_find(line, &r->id);
	if (has_id && r->skip != NULL &&
	    replay_ids_has(r->skip, (struct slice){r->id.ptr, r->id.len})) {
		r->skipped++;
		return;
	}
	if (b->count == 0)
		b->began_ms = clock_mono_ms();
	b->lines[b->count++] = replay_input_line(r->input);
	strbuf_append_slice(&b->body, line);
	strbuf_append_char(&b->body, '\n');
	if (has_id && r->acked != NULL) {
		strbuf_append(&b->ids, r->id.ptr, r->id.len);
		strbuf_append_char(&b->ids, '\n');
	}
}

static bool batch_is_full(const struct replay *r)
{
	return r->filling.count == (size_t)r->o.batch || r->filling.body.len >= BODY_TARGET;
}

/* Reads lines until the batch is full or no more come now. */
static int fill(struct replay *r, struct err *e)
{
	struct slice line;
	int rc;

	r->input_waits = false;
	while (!r->input_ended && !batch_is_full(r)) {
		rc = replay_input_next(r->input, &line, e);
		if (rc == 0) {
			add_line(r, line);
		} else if (rc == -EAGAIN) {
			r->input_waits = true;
			return 0;
		} else if (rc == -ENODATA) {
			r->input_ended = true;
		} else {
			return rc;
		}
	}
	return 0;
}

static bool batch_is_due(const struct replay *r, int64_t now)
{
	const struct batch *b = &r->filling;

	if (b->count == 0)
		return false;
	if (r->o.rate > 0 && r->sent > (uint64_t)((now - r->started_ms) * r->o.rate / 1000))
		return false;
	return batch_is_full(r) || r->input_ended || now - b->began_ms >= LINGER_MS;
}

/* --- answers */

static void acknowledge(struct replay *r, struct slot *s, const uint64_t counts[COUNTS])
{
	for (int i = 0; i < COUNTS; i++)
		r->counts[i] += counts[i];
	if (r->acked != NULL && s->batch.ids.len > 0 &&
	    (fwrite(s->batch.ids.ptr, 1, s->batch.ids.len, r->acked) != s->batch.ids.len ||
	     fflush(r->acked) != 0))
		complain(r, "%s: %s", r->o.acked, strerror(errno));
	replay_latency_add(&r->latency, clock_mono_us() - s->began_us);
	r->outage_since_ms = 0;
	s->state = SLOT_IDLE;
}

static void give_up(struct replay *r, struct slot *s, const char *why)
{
	complain(r, "%zu events from line %llu on are not acknowledged: %s", s->batch.count,
		 (unsigned long long)s->batch.lines[0], why);
	r->unacknowledged += s->batch.count;
	s->state = SLOT_IDLE;
}

static void report_events(struct replay *r, const struct slot *s, const struct json *errors)
{
	for (size_t i = 0; i < json_len(errors) && r->complaints <= COMPLAINTS_MAX; i++) {
		const struct json *item = json_at(errors, i);
		const char *code = json_string_or_null(json_get(item, "code"));
		const char *detail = json_string_or_null(json_get(item, "detail"));
		int64_t index;

		if (json_i64(json_get(item, "index"), "index", 0, (int64_t)s->batch.count - 1,
			     &index, NULL) == 0)
			complain(r, "line %llu: %s: %s", (unsigned long long)s->batch.lines[index],
				 code != NULL ? code : "?", detail != NULL ? detail : "");
	}
}

/* 0 when the body accounts for every event of the batch. */
static int read_counts(struct replay *r, struct slot *s, struct slice body, struct err *e)
{
	uint64_t counts[COUNTS] = {0}, total = 0;
	struct json *root = NULL;
	int64_t n;
	int rc;

	rc = json_parse(body, body.len, &root, e);
	for (int i = 0; rc == 0 && i < COUNTS; i++) {
		rc = json_i64(json_get(root, count_keys[i]), count_keys[i], 0, INT32_MAX, &n, e);
		if (rc == 0)
			total += counts[i] = (uint64_t)n;
	}
	if (rc == 0 && total != s->batch.count)
		rc = err_set(e, -EPROTO, "the answer speaks of %llu events, %zu were sent",
			     (unsigned long long)total, s->batch.count);
	if (rc == 0) {
		report_events(r, s, json_get(root, "errors"));
		acknowledge(r, s, counts);
	}
	json_free(root);
	return rc;
}

/* The answer may be another one next time. */
static bool is_temporary(const struct replay_answer *a)
{
	return a->failure != NULL || a->status == 408 || a->status == 429 || a->status >= 500;
}

/* Waits for another attempt, or gives the batch up when --retry-for has passed. */
static void retry(struct replay *r, struct slot *s, int64_t after_ms, const char *why)
{
	int64_t now = clock_mono_ms(), since, end;

	if (s->failing_since_ms == 0)
		s->failing_since_ms = now;
	if (r->outage_since_ms == 0)
		r->outage_since_ms = now;
	/* when all fail, all have failed since the first did: a dead server costs the time once */
	since = s->failing_since_ms < r->outage_since_ms ? s->failing_since_ms : r->outage_since_ms;
	end = since + r->o.retry_for_ms;
	if (now >= end || interrupted) {
		give_up(r, s, why);
		return;
	}
	if (after_ms == 0)
		after_ms = backoff_next_ms(&s->backoff, backoff_random());
	s->retry_at_ms = now + after_ms < end ? now + after_ms : end;
	s->state = SLOT_WAITS;
}

static void on_answer(void *arg, size_t slot, const struct replay_answer *a)
{
	struct replay *r = arg;
	struct slot *s = &r->slots[slot];
	struct err e = ERR_INIT;
	char why[256];

	if (a->failure == NULL && a->status == 200) {
		if (read_counts(r, s, a->body, &e) != 0)
			retry(r, s, 0, e.msg);
		return;
	}
	(void)snprintf(why, sizeof(why), "HTTP %ld %.*s", a->status,
		       (int)(a->body.len < 160 ? a->body.len : 160),
		       a->body.len > 0 ? a->body.ptr : "");
	if (a->status == 401 && a->failure == NULL)
		r->refused = true;
	if (is_temporary(a))
		retry(r, s, a->retry_after_ms, a->failure != NULL ? a->failure : why);
	else
		give_up(r, s, why);
}

/* --- the loop */

static void send_slot(struct replay *r, size_t i)
{
	struct slot *s = &r->slots[i];

	s->state = SLOT_SENT;
	replay_http_post(r->http, i, (struct slice){s->batch.body.ptr, s->batch.body.len});
}

/* When the next batch should have been sent. */
static int64_t due_us(const struct replay *r)
{
	if (r->o.rate == 0)
		return clock_mono_us();
	return r->started_ms * 1000 + (int64_t)(r->sent * 1000000 / (uint64_t)r->o.rate);
}

/* The full batch goes to the slot, the slot's old buffers are filled next. */
static void start_batch(struct replay *r, size_t i)
{
	struct slot *s = &r->slots[i];
	struct batch empty = s->batch;
	int64_t began_us = due_us(r);

	s->batch = r->filling;
	r->filling = empty;
	s->began_us = began_us;
	batch_reset(&r->filling);
	s->failing_since_ms = 0;
	backoff_reset(&s->backoff);
	r->sent += s->batch.count;
	send_slot(r, i);
}

/* Gives every slot what it can do now; how many are not idle. */
static int feed(struct replay *r, size_t *ret_busy, struct err *e)
{
	size_t busy = 0;
	int rc = 0;

	for (size_t i = 0; i < (size_t)r->o.connections && rc == 0; i++) {
		struct slot *s = &r->slots[i];
		int64_t now = clock_mono_ms();

		if (s->state == SLOT_WAITS && interrupted)
			give_up(r, s, "interrupted");
		else if (s->state == SLOT_WAITS && now >= s->retry_at_ms)
			send_slot(r, i);
		if (s->state == SLOT_IDLE && !interrupted) {
			rc = fill(r, e);
			if (rc == 0 && r->refused) {
				r->unacknowledged += r->filling.count;
				batch_reset(&r->filling);
			} else if (rc == 0 && batch_is_due(r, now)) {
				start_batch(r, i);
			}
		}
		busy += s->state != SLOT_IDLE;
	}
	*ret_busy = busy;
	return rc;
}

/* How long nothing needs us unless an answer or a line comes. */
static int wait_ms(const struct replay *r)
{
	int64_t now = clock_mono_ms(), until = now + TICK_MS, due;

	if (r->filling.count > 0 && r->filling.began_ms + LINGER_MS < until)
		until = r->filling.began_ms + LINGER_MS;
	for (int64_t i = 0; i < r->o.connections; i++) {
		if (r->slots[i].state == SLOT_WAITS && r->slots[i].retry_at_ms < until)
			until = r->slots[i].retry_at_ms;
	}
	if (r->o.rate > 0 && r->filling.count > 0) {
		due = r->started_ms + (int64_t)r->sent * 1000 / r->o.rate + 1;
		if (due > now && due < until)
			until = due;
	}
	return until > now ? (int)(until - now) : 1;
}

static uint64_t acknowledged(const struct replay *r)
{
	return r->counts[ACCEPTED] + r->counts[DUPLICATES] + r->counts[CONFLICTS] +
	       r->counts[DEAD_LETTERED];
}

static void draw_progress(struct replay *r)
{
	enum { WIDTH = 24 };
	static const char full[] = "########################", empty[] = "........................";
	int64_t now = clock_mono_ms();
	double seconds = (double)(now - r->started_ms) / 1000;
	double share = replay_input_share(r->input);
	double rate = seconds > 0 ? (double)acknowledged(r) / seconds : 0;
	int done = (int)(share * WIDTH);

	if (!r->terminal || now - r->drawn_ms < TICK_MS)
		return;
	r->drawn_ms = now;
	fputs("\r\033[K", stderr);
	if (share > 0)
		fprintf(stderr, "[%.*s%.*s] %3.0f %%  ", done, full, WIDTH - done, empty,
			share * 100);
	fprintf(stderr, "%llu events  %.0f/s", (unsigned long long)acknowledged(r), rate);
	if (share > 0)
		fprintf(stderr, "  %.0f s left", seconds / share - seconds);
	if (r->outage_since_ms != 0)
		fprintf(stderr, "  (no answer for %lld s)",
			(long long)(now - r->outage_since_ms) / 1000);
}

static int replay_all(struct replay *r, struct err *e)
{
	size_t busy;
	int rc;

	r->started_ms = clock_mono_ms();
	for (;;) {
		bool hungry;

		rc = feed(r, &busy, e);
		if (rc != 0 || (busy == 0 && r->filling.count == 0 && r->input_ended) ||
		    (busy == 0 && interrupted))
			break;
		hungry = r->input_waits && busy < (size_t)r->o.connections;
		rc = replay_http_run(
			r->http, hungry ? replay_input_fd(r->input) : -1,
			busy == 0 && !r->input_waits && r->o.rate == 0 ? 0 : wait_ms(r), e);
		if (rc != 0)
			break;
		draw_progress(r);
	}
	r->unacknowledged += r->filling.count;
	return rc;
}

static int summarise(const struct replay *r)
{
	double seconds = (double)(clock_mono_ms() - r->started_ms) / 1000;

	if (r->terminal)
		fputs("\r\033[K", stderr);
	for (int i = 0; i < COUNTS; i++)
		printf("%s=%llu ", count_keys[i], (unsigned long long)r->counts[i]);
	printf("unacknowledged=%llu ", (unsigned long long)r->unacknowledged);
	if (r->skip != NULL)
		printf("skipped=%llu ", (unsigned long long)r->skipped);
	printf("seconds=%.3f events/s=%.0f ", seconds,
	       seconds > 0 ? (double)acknowledged(r) / seconds : 0);
	printf("p50_ms=%.1f p99_ms=%.1f max_ms=%.1f\n",
	       (double)replay_latency_quantile(&r->latency, 0.5) / 1000,
	       (double)replay_latency_quantile(&r->latency, 0.99) / 1000,
	       (double)r->latency.max_us / 1000);
	if (r->unacknowledged > 0 || interrupted)
		return EXIT_TEMPORARY;
	return r->counts[CONFLICTS] + r->counts[DEAD_LETTERED] > 0 ? EXIT_DATA : 0;
}

/* --- the program */

static int replay_open(struct replay *r, struct err *e)
{
	struct strbuf url = STRBUF_INIT;
	size_t n = strlen(r->o.url);
	int rc;

	rc = replay_input_open(r->o.file, &r->input, e);
	if (rc == 0 && r->o.skip_acked != NULL) {
		r->skip = replay_ids_new();
		rc = replay_ids_load(r->skip, r->o.skip_acked, e);
	}
	if (rc == 0 && r->o.acked != NULL && (r->acked = fopen(r->o.acked, "ae")) == NULL)
		rc = err_set(e, -errno, "%s: %s", r->o.acked, strerror(errno));
	if (rc == 0) {
		n -= n > 0 && r->o.url[n - 1] == '/';
		strbuf_appendf(&url, "%.*s/v1/events", (int)n, r->o.url);
		rc = replay_http_new(strbuf_cstr(&url), r->o.token, (size_t)r->o.connections,
				     on_answer, r, &r->http, e);
	}
	strbuf_clear(&url);
	r->id = STRBUF_INIT;
	batch_init(&r->filling, (size_t)r->o.batch);
	r->slots = xcalloc((size_t)r->o.connections, sizeof(*r->slots));
	for (int64_t i = 0; i < r->o.connections; i++) {
		r->slots[i].backoff = (struct backoff){.base_ms = 50, .cap_ms = 2000};
		batch_init(&r->slots[i].batch, (size_t)r->o.batch);
	}
	return rc;
}

static void replay_close(struct replay *r)
{
	replay_http_free(r->http);
	replay_input_close(r->input);
	replay_ids_free(r->skip);
	if (r->acked != NULL)
		(void)fclose(r->acked);
	strbuf_clear(&r->id);
	batch_clear(&r->filling);
	for (int64_t i = 0; i < r->o.connections; i++)
		batch_clear(&r->slots[i].batch);
	free(r->slots);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct replay r = {.terminal = isatty(STDERR_FILENO)};
	struct err e = ERR_INIT;
	int code;

	replay_options_parse(argc, argv, &r.o);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	code = EXIT_NO_INPUT;
	if (replay_open(&r, &e) == 0) {
		if (replay_all(&r, &e) != 0)
			complain(&r, "%s", e.msg);
		else
			e.code = 0;
		code = summarise(&r);
		if (code == 0 && e.code != 0)
			code = EXIT_NO_INPUT;
	} else {
		fprintf(stderr, "replay: %s\n", e.msg);
	}
	replay_close(&r);
	return code;
}
