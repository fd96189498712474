/*
 * The command line of tools/replay. The token comes from the environment only: argv is public.
 */
#ifndef TOOLS_REPLAY_OPTIONS_H
#define TOOLS_REPLAY_OPTIONS_H

#include "common/base/base.h"

struct replay_options {
	const char *file, *url, *token; /* file "-": standard input */
	const char *acked, *skip_acked; /* may be NULL */
	int64_t batch, connections, rate /* 0: no limit */, retry_for_ms;
};

/* Does not return when the arguments ask for help (exit 0) or are wrong (exit 64). */
void replay_options_parse(int argc, char **argv, struct replay_options *o);

#endif
