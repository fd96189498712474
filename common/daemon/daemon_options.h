/*
 * L2, private to daemon.c: the command line. It says what to do and where settings come from; the
 * settings themselves are conf.h's.
 */
#ifndef COMMON_DAEMON_OPTIONS_H
#define COMMON_DAEMON_OPTIONS_H

#include "common/daemon/daemon.h"

#define DAEMON_OVERRIDES_MAX 256

enum daemon_mode {
	DAEMON_MODE_RUN,
	DAEMON_MODE_TEST,         /* -t */
	DAEMON_MODE_PRINT_CONFIG, /* settings are loaded first, as for -t */
	DAEMON_MODE_DONE,         /* -h, -V, --help-config: already answered */
};

struct daemon_options {
	enum daemon_mode mode;
	const char *file; /* -c, or NULL */
	struct conf_override overrides[DAEMON_OVERRIDES_MAX];
	size_t noverrides;
	const struct daemon_command *command; /* NULL: the daemon itself */
	int command_argc;
	char **command_argv;
};

/* DAEMON_OK, or DAEMON_USAGE after saying on stderr what is wrong. */
enum daemon_exit daemon_options_parse(const struct daemon_spec *spec, int argc, char **argv,
				      struct daemon_options *ret) MUST_CHECK;

#endif
