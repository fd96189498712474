/* The way of a line to standard output; see weather.h. */
#include "tools/sim/weather.h"

#include <errno.h>

#include "common/base/xalloc.h"

#define OUT_FLUSH ((size_t)256 * 1024)
#define SECOND_US INT64_C(1000000)
#define HOUR_US   (3600 * SECOND_US)

struct parcel {
	int64_t at_us; /* delay until the original has left, then the instant */
	uint64_t seq;
	uint64_t block; /* the first block it may be in */
	struct parcel *next;
	size_t len;
	char line[];
};

struct line {
	size_t at, len; /* in block_text */
};

struct weather {
	struct rng rng;
	FILE *out;
	bool failed;
	struct strbuf text; /* to be written */
	size_t reorder;
	uint64_t block, seq;
	struct strbuf block_text;
	struct line *lines;
	size_t nlines;
	struct parcel *next_block, *next_block_last; /* what must wait for it */
	struct parcel **heap;
	size_t heap_len, heap_cap;
};

struct weather *weather_new(const struct options *o, FILE *out)
{
	struct weather *w = xcalloc(1, sizeof(*w));

	w->rng.state = rng_mix((uint64_t)o->seed ^ UINT64_C(0x77656174686572));
	w->out = out;
	w->text = STRBUF_INIT;
	strbuf_init(&w->block_text, SIZE_MAX / 2);
	w->reorder = o->reorder > 1 ? (size_t)o->reorder : 0;
	w->lines = xcalloc(w->reorder + 1, sizeof(*w->lines));
	return w;
}

void weather_free(struct weather *w)
{
	if (w == NULL)
		return;
	strbuf_clear(&w->text);
	strbuf_clear(&w->block_text);
	free(w->lines);
	ASSERT(w->next_block == NULL);
	for (size_t i = 0; i < w->heap_len; i++)
		free(w->heap[i]);
	free(w->heap);
	free(w);
}

bool weather_draws(struct weather *w, int64_t share)
{
	return share > 0 && rng_below(&w->rng, OPTIONS_PPM) < (uint64_t)share;
}

struct rng *weather_rng(struct weather *w)
{
	return &w->rng;
}

int64_t weather_lateness(struct weather *w)
{
	/* a desktop without connection for a shift; one in twenty for days */
	if (rng_chance(&w->rng, 50))
		return rng_between(&w->rng, 12 * HOUR_US, 96 * HOUR_US);
	return rng_between(&w->rng, HOUR_US / 60, 12 * HOUR_US);
}

/* ---- parcels that wait, the next one to leave on top of the heap */

static bool before(const struct parcel *x, const struct parcel *y)
{
	return x->at_us != y->at_us ? x->at_us < y->at_us : x->seq < y->seq;
}

static void hold(struct weather *w, struct parcel *p)
{
	size_t i = w->heap_len++;

	if (w->heap_len > w->heap_cap) {
		w->heap_cap = w->heap_cap * 2 + 64;
		w->heap = xreallocarray(w->heap, w->heap_cap, sizeof(struct parcel *));
	}
	p->seq = w->seq++;
	for (; i > 0 && before(p, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = p;
}

static struct parcel *take(struct weather *w)
{
	struct parcel *top = w->heap[0], *last = w->heap[--w->heap_len];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < w->heap_len) {
		if (child + 1 < w->heap_len && before(w->heap[child + 1], w->heap[child]))
			child++;
		if (!before(w->heap[child], last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

struct parcel *weather_parcel(struct slice line, int64_t delay_us, struct parcel *next)
{
	struct parcel *p = xmalloc(sizeof(*p) + line.len);

	*p = (struct parcel){.at_us = delay_us, .next = next, .len = line.len};
	memcpy(p->line, line.ptr, line.len);
	return p;
}

/* ---- out */

static void flush(struct weather *w)
{
	if (w->text.len > 0 && fwrite(w->text.ptr, 1, w->text.len, w->out) != w->text.len)
		w->failed = true;
	strbuf_reset(&w->text);
}

static void put(struct weather *w, const char *line, size_t len)
{
	strbuf_append(&w->text, line, len);
	strbuf_append_char(&w->text, '\n');
	if (w->text.len >= OUT_FLUSH)
		flush(w);
}

static void leave(struct weather *w, int64_t now_us, struct slice line, struct parcel *followers);

/* Shuffles the block out, then lets in what had to wait for the next one. */
static void end_block(struct weather *w)
{
	struct parcel *waiting = w->next_block;

	for (size_t i = w->nlines; i > 1; i--) {
		size_t j = rng_below(&w->rng, (uint32_t)i);
		struct line other = w->lines[j];

		w->lines[j] = w->lines[i - 1];
		w->lines[i - 1] = other;
	}
	for (size_t i = 0; i < w->nlines; i++)
		put(w, w->block_text.ptr + w->lines[i].at, w->lines[i].len);
	w->nlines = 0;
	strbuf_reset(&w->block_text);
	w->block++;
	w->next_block = NULL;
	while (waiting != NULL) {
		struct parcel *p = waiting;

		waiting = p->next;
		leave(w, p->at_us, (struct slice){p->line, p->len}, NULL);
		free(p);
	}
}

/* The line leaves now, and its followers' time starts. */
static void leave(struct weather *w, int64_t now_us, struct slice line, struct parcel *followers)
{
	uint64_t block = w->block;

	if (w->reorder == 0) {
		put(w, line.ptr, line.len);
		w->block++;
	} else {
		w->lines[w->nlines++] = (struct line){w->block_text.len, line.len};
		strbuf_append(&w->block_text, line.ptr, line.len);
	}
	while (followers != NULL) {
		struct parcel *next = followers->next;

		followers->next = NULL;
		followers->at_us += now_us;
		followers->block = block + 1;
		hold(w, followers);
		followers = next;
	}
	if (w->reorder != 0 && w->nlines == w->reorder)
		end_block(w);
}

static void release(struct weather *w, struct parcel *p)
{
	struct parcel *followers = p->next;

	if (p->block > w->block) { /* a follower: it has none of its own */
		if (w->next_block == NULL)
			w->next_block = p;
		else
			w->next_block_last->next = p;
		w->next_block_last = p;
		return;
	}
	leave(w, p->at_us, (struct slice){p->line, p->len}, followers);
	free(p);
}

void weather_send(struct weather *w, int64_t now_us, int64_t delay_us, struct slice line,
		  struct parcel *followers)
{
	while (w->heap_len > 0 && w->heap[0]->at_us <= now_us)
		release(w, take(w));
	if (delay_us > 0)
		hold(w, weather_parcel(line, now_us + delay_us, followers));
	else
		leave(w, now_us, line, followers);
}

int weather_finish(struct weather *w)
{
	while (w->heap_len > 0 || w->next_block != NULL) {
		if (w->heap_len > 0)
			release(w, take(w));
		else
			end_block(w);
	}
	end_block(w);
	flush(w);
	if (fflush(w->out) != 0 || ferror(w->out))
		w->failed = true;
	return w->failed ? -EIO : 0;
}
