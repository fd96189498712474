/*
 * bench_scan [FILE]: CPU time per event of the scanner, the envelope reader and the content hash,
 * beside cJSON_Parse + cJSON_Delete of the same events in the same run (the only place outside
 * common/base/json.c that sees cJSON: it is the yardstick here). FILE (else standard input) holds
 * one event a line. The candidates take turns in each round; the median of the rounds counts.
 */
#include <errno.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "common/base/strbuf.h"
#include "common/base/xalloc.h"
#include "ingestd/reading/content_hash.h"
#include "ingestd/reading/envelope.h"
#include "ingestd/reading/scan.h"

#define ROUNDS 9

struct events {
	struct strbuf text;
	struct slice *lines;
	size_t n;
};

static double cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void read_events(FILE *f, struct events *e)
{
	char chunk[65536];
	size_t n, lines = 0;

	strbuf_init(&e->text, (size_t)1 << 30);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		strbuf_append(&e->text, chunk, n);
	for (size_t i = 0; i < e->text.len; i++)
		lines += e->text.ptr[i] == '\n';
	e->lines = xcalloc(lines + 1, sizeof(*e->lines));
	e->n = 0;
	for (char *p = e->text.ptr, *end = p + e->text.len, *eol; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			break;
		e->lines[e->n++] = (struct slice){p, (size_t)(eol - p)};
	}
}

static struct scan_scratch scratch;
static struct scan_index index_of;

static void run_scan(struct slice event)
{
	static const struct slice descend[] = {{"metadata", 8},
					       {"producedBy", 10},
					       {"aggregate", 9},
					       {"producer", 8},
					       {"trace", 5}};
	static const struct scan_limits limits = {1 << 20, descend, ARRAY_SIZE(descend)};
	int r = scan_document(event, &limits, &scratch, &index_of, NULL);

	ASSERT(r == 0);
}

static struct envelope_reader *reader;
static struct content_hasher *hasher;
static struct event event_of;

static void run_envelope(struct slice event)
{
	int r = envelope_read(reader, event, NULL, INT64_MAX / 2, &event_of, NULL);

	ASSERT(r == 0);
}

/* The whole event stands for a payload: the comparison is with reading it. */
static void run_hash(struct slice event)
{
	unsigned char digest[HASH_SHA256_LEN];

	content_hash(hasher, NULL, 0, event, digest);
}

static void run_cjson(struct slice event)
{
	cJSON *root = cJSON_ParseWithLength(event.ptr, event.len);

	ASSERT(root != NULL);
	cJSON_Delete(root);
}

static const struct candidate {
	const char *name;
	void (*run)(struct slice event);
} candidates[] = {
	{"scan", run_scan},
	{"envelope (all)", run_envelope},
	{"content hash", run_hash},
	{"cJSON parse+delete", run_cjson},
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double us[ARRAY_SIZE(candidates)][ROUNDS];
	struct events e;
	double bytes;
	FILE *f = argc > 1 ? fopen(argv[1], "r") : stdin;

	if (f == NULL) {
		fprintf(stderr, "bench_scan: %s: %s\n", argv[1], strerror(errno));
		return 66;
	}
	read_events(f, &e);
	scan_scratch_init(&scratch, 1);
	reader = envelope_reader_new("*");
	hasher = content_hasher_new();
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t c = 0; c < ARRAY_SIZE(candidates); c++) {
			double start = cpu_us();

			for (size_t i = 0; i < e.n; i++)
				candidates[c].run(e.lines[i]);
			us[c][round] = (cpu_us() - start) / (double)e.n;
		}
	}
	for (size_t c = 0; c < ARRAY_SIZE(candidates); c++)
		qsort(us[c], ROUNDS, sizeof(us[c][0]), by_value);
	bytes = (double)e.text.len / (double)e.n;
	printf("%zu events of %.0f bytes, median of %d rounds\n", e.n, bytes, ROUNDS);
	for (size_t c = 0; c < ARRAY_SIZE(candidates); c++) {
		double median = us[c][ROUNDS / 2];

		printf("%-20s %7.3f us/event %7.0f MB/s %6.2fx\n", candidates[c].name, median,
		       bytes / median, median / us[ARRAY_SIZE(candidates) - 1][ROUNDS / 2]);
	}
	envelope_reader_free(reader);
	content_hasher_free(hasher);
	free(e.lines);
	strbuf_clear(&e.text);
	return 0;
}
