/* getopt_long over a table; see replay_options.h. */
#include "tools/replay_options.h"

#include <errno.h>
#include <getopt.h>

#include "common/base/err.h"
#include "common/base/num.h"

enum { EXIT_USAGE = 64 };
enum { BATCHES_PER_SECOND = 20 }; /* under --rate, so that the flow is even */

static const char usage[] =
	"usage: tools/replay FILE|- [OPTION]...\n"
	"Sends NDJSON events through ingestd with the token in INGESTD_TOKEN.\n"
	"  --url URL           ingestd's address (default: INGESTD_URL)\n"
	"  --batch N           events in a request (500)\n"
	"  --connections N     requests in flight (4)\n"
	"  --rate N            at most N events a second\n"
	"  --acked FILE        append the event id of each acknowledged line\n"
	"  --skip-acked FILE   leave out lines whose event id is in FILE\n"
	"  --retry-for TIME    how long to go on without an acknowledgement (10s); 0: never retry\n"
	"Exit: 0 all accepted or duplicates, 65 some conflicting or dead-lettered, 75 some not\n"
	"acknowledged.\n";

static int parse_number(const char *name, const char *text, int64_t max, int64_t *ret,
			struct err *e)
{
	if (num_i64(slice_of(text), 1, max, ret) == 0)
		return 0;
	return err_set(e, -EINVAL, "--%s: \"%s\" is not a number from 1 to %lld", name, text,
		       (long long)max);
}

static int set_option(struct replay_options *o, int key, const char *value, struct err *e)
{
	switch (key) {
	case 'u':
		o->url = value;
		return 0;
	case 'a':
		o->acked = value;
		return 0;
	case 's':
		o->skip_acked = value;
		return 0;
	case 'b':
		return parse_number("batch", value, 100000, &o->batch, e);
	case 'c':
		return parse_number("connections", value, 256, &o->connections, e);
	case 'r':
		return parse_number("rate", value, 10000000, &o->rate, e);
	case 't':
		o->retry_for_ms = 0;
		if (strcmp(value, "0") == 0 ||
		    num_duration_ms(slice_of(value), &o->retry_for_ms) == 0)
			return 0;
		return err_set(e, -EINVAL, "--retry-for: \"%s\" is not 0 or a time like 10s",
			       value);
	default:
		return err_set(e, -EINVAL, "see tools/replay --help");
	}
}

static int parse(int argc, char **argv, struct replay_options *o, struct err *e)
{
	static const struct option known[] = {
		{"url", required_argument, NULL, 'u'},
		{"batch", required_argument, NULL, 'b'},
		{"connections", required_argument, NULL, 'c'},
		{"rate", required_argument, NULL, 'r'},
		{"acked", required_argument, NULL, 'a'},
		{"skip-acked", required_argument, NULL, 's'},
		{"retry-for", required_argument, NULL, 't'},
		{0},
	};
	int key, rc = 0;

	*o = (struct replay_options){.batch = 500, .connections = 4, .retry_for_ms = 10000};
	o->url = getenv("INGESTD_URL");
	o->token = getenv("INGESTD_TOKEN");
	while (rc == 0 && (key = getopt_long(argc, argv, "", known, NULL)) != -1)
		rc = set_option(o, key, optarg, e);
	if (rc != 0)
		return rc;
	if (optind != argc - 1)
		return err_set(e, -EINVAL, "give one FILE, or - for standard input");
	o->file = argv[optind];
	if (o->url == NULL || o->token == NULL)
		return err_set(e, -EINVAL, "%s is not set (`. build/stack/env` sets it)",
			       o->url == NULL ? "INGESTD_URL" : "INGESTD_TOKEN");
	if (o->rate > 0 && o->batch > o->rate / BATCHES_PER_SECOND)
		o->batch = o->rate / BATCHES_PER_SECOND > 0 ? o->rate / BATCHES_PER_SECOND : 1;
	return 0;
}

void replay_options_parse(int argc, char **argv, struct replay_options *o)
{
	struct err e = ERR_INIT;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		exit(0);
	}
	if (parse(argc, argv, o, &e) != 0) {
		fprintf(stderr, "replay: %s\n", e.msg);
		exit(EXIT_USAGE);
	}
}
