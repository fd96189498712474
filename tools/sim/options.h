/*
 * The command line of hotelsim as one table: parsing, ranges and --help come from it.
 */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "common/base/err.h"

#define OPTIONS_PPM                                                                  \
	1000000 /* shares are parts per million: a percentage may have four decimals \
		 */

struct options {
	int64_t seed;
	int64_t tenants, properties, rooms; /* 0: sized from the rest */
	int32_t from, to;                   /* stay-date window, days, inclusive */
	int64_t reservations;               /* 0: as many as the occupancy takes */
	int64_t occupancy;                  /* OPTIONS_PPM = full */
	int64_t events;                     /* 0: no limit */
	int64_t late, repeat, conflict, broken;
	int64_t reorder; /* lines */
	const char *shapes, *domains;
	const char *plan; /* file or NULL */
	bool overbook, summary, help;
};

/* Defaults, then argv. -EINVAL with a sentence that names the option and what it takes. */
int options_parse(int argc, char **argv, struct options *ret, struct err *e) MUST_CHECK;
void options_usage(FILE *f);
/* True when `word` stands in the comma-separated `list`, or the list is "all". */
bool options_listed(const char *list, struct slice word);

#endif
