/* Command line of hotelsim; see options.h. */
#include "tools/sim/options.h"

#include <errno.h>
#include <getopt.h>

#include "common/base/num.h"
#include "common/base/timestamp.h"

enum kind { COUNT, DATE, SHARE, TEXT, FLAG };

struct rule {
	const char *name;
	enum kind kind;
	size_t offset;
	int64_t min, max;
	const char *arg, *help;
};

#define AT(field) offsetof(struct options, field)
static const struct rule rules[] = {
	{"seed", COUNT, AT(seed), 0, INT64_MAX, "N", "same seed, same bytes (1)"},
	{"tenants", COUNT, AT(tenants), 1, 5000, "N", "hotel groups (half the properties)"},
	{"properties", COUNT, AT(properties), 1, 20000, "N", "hotels of all tenants together (4)"},
	{"rooms", COUNT, AT(rooms), 4, 5000, "N", "rooms of a hotel (15)"},
	{"from", DATE, AT(from), 0, 0, "DATE", "first night (90 days before --to)"},
	{"to", DATE, AT(to), 0, 0, "DATE", "last night; events stop at its end (2025-12-31)"},
	{"reservations", COUNT, AT(reservations), 1, 100000000, "N",
	 "confirm this many, and size the hotels for it unless --rooms says"},
	{"occupancy", SHARE, AT(occupancy), 10000, OPTIONS_PPM, "SHARE",
	 "share of the rooms to be sold (0.7)"},
	{"events", COUNT, AT(events), 1, 2000000000, "N",
	 "stop after N good events, and size the hotels for it unless --rooms says"},
	{"late", SHARE, AT(late), 0, OPTIONS_PPM, "PCT", "share that arrives hours to days late"},
	{"repeat", SHARE, AT(repeat), 0, OPTIONS_PPM, "PCT", "share that is delivered again"},
	{"reorder", COUNT, AT(reorder), 0, 100000, "N", "shuffle within blocks of N lines"},
	{"conflict", SHARE, AT(conflict), 0, OPTIONS_PPM, "PCT",
	 "share whose id comes again, later, with another content"},
	{"broken", SHARE, AT(broken), 0, OPTIONS_PPM, "PCT", "broken lines added to the good ones"},
	{"shapes", TEXT, AT(shapes), 0, 0, "LIST", "only these envelopes: E1,E6,E12 (all)"},
	{"domains", TEXT, AT(domains), 0, 0, "LIST",
	 "only these subjects' second words: reservation,payment (all)"},
	{"overbook", FLAG, AT(overbook), 0, 0, NULL,
	 "sell up to a tenth more rooms than there are"},
	{"plan", TEXT, AT(plan), 0, 0, "FILE",
	 "write the figures that a correct pipeline must get"},
	{"summary", FLAG, AT(summary), 0, 0, NULL, "print them as a table on standard error"},
	{"help", FLAG, AT(help), 0, 0, NULL, "this text"},
};

static int parse_share(const struct rule *rule, struct slice text, int64_t *ret)
{
	/* --occupancy is a fraction, the others are percentages */
	double one = strcmp(rule->name, "occupancy") == 0 ? OPTIONS_PPM : OPTIONS_PPM / 100.0, v;

	if (num_double(text, &v) < 0 || v * one < (double)rule->min - 0.5 ||
	    v * one > (double)rule->max + 0.5)
		return -EINVAL;
	*ret = (int64_t)(v * one + 0.5);
	return 0;
}

static int set(struct options *o, const struct rule *rule, const char *text, struct err *e)
{
	char *at = (char *)o + rule->offset;
	int r = 0;

	switch (rule->kind) {
	case COUNT:
		r = num_i64(slice_of(text), rule->min, rule->max, (int64_t *)(void *)at);
		break;
	case DATE:
		r = timestamp_parse_date(slice_of(text), (int32_t *)(void *)at);
		break;
	case SHARE:
		r = parse_share(rule, slice_of(text), (int64_t *)(void *)at);
		break;
	case TEXT:
		memcpy(at, &text, sizeof(text));
		break;
	case FLAG:
		*(bool *)at = true;
		break;
	}
	if (r == 0)
		return 0;
	if (rule->kind == COUNT)
		return err_set(e, -EINVAL, "--%s takes an integer of %lld to %lld, not '%s'",
			       rule->name, (long long)rule->min, (long long)rule->max, text);
	return err_set(e, -EINVAL, "--%s takes %s, not '%s'", rule->name,
		       rule->kind == DATE ? "YYYY-MM-DD" : "a share within its range", text);
}

static int check(struct options *o, bool from_given, struct err *e)
{
	if (!from_given)
		o->from = o->to - 89;
	if (o->to < o->from || o->to - o->from >= 3660)
		return err_set(e, -EINVAL, "--from to --to must be 1 to 3660 days");
	if (timestamp_civil(o->from).year < 2010 || timestamp_civil(o->to).year > 2049)
		return err_set(e, -EINVAL, "--from and --to must lie in 2010 to 2049");
	if (o->events != 0 && o->reservations != 0)
		return err_set(e, -EINVAL, "--events and --reservations exclude each other");
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret, struct err *e)
{
	struct option longs[ARRAY_SIZE(rules) + 1] = {{.name = NULL}};
	struct options o = {
		.seed = 1,
		.to = timestamp_days((struct civil_date){2025, 12, 31}),
		.occupancy = 700000,
		.shapes = "all",
		.domains = "all",
	};
	bool from_given = false;
	int c, which, r;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		longs[i] = (struct option){
			.name = rules[i].name,
			.has_arg = rules[i].kind == FLAG ? no_argument : required_argument,
		};
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, &which)) != -1) {
		if (c != 0)
			return err_set(e, -EINVAL, "unknown or incomplete option '%s'",
				       argv[optind - 1]);
		r = set(&o, &rules[which], optarg, e);
		if (r < 0)
			return r;
		from_given = from_given || rules[which].offset == AT(from);
	}
	if (optind < argc)
		return err_set(e, -EINVAL, "unexpected argument '%s'", argv[optind]);
	r = check(&o, from_given, e);
	if (r < 0)
		return r;
	*ret = o;
	return 0;
}

void options_usage(FILE *f)
{
	fputs("usage: hotelsim [options] > EVENTS.ndjson\n"
	      "A simulated hotel platform's events, one JSON object a line, in the order of their\n"
	      "occurredAt unless --late or --reorder say otherwise.\n\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		int n = fprintf(f, "  --%s%s%s", rules[i].name, rules[i].arg != NULL ? " " : "",
				rules[i].arg != NULL ? rules[i].arg : "");

		fprintf(f, "%*s%s\n", n < 22 ? 22 - n : 1, "", rules[i].help);
	}
}

bool options_listed(const char *list, struct slice word)
{
	if (strcmp(list, "all") == 0)
		return true;
	for (const char *from = list;;) {
		size_t n = strcspn(from, ",");

		if (slice_eq((struct slice){from, n}, word))
			return true;
		if (from[n] == '\0')
			return false;
		from += n + 1;
	}
}
