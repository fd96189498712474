/* The command line of a daemon; see daemon_options.h. */
#include "common/daemon/daemon_options.h"

#include <getopt.h>
#include <limits.h>
#include <link.h>

enum { OPTION_PRINT_CONFIG = 256, OPTION_HELP_CONFIG };

static const struct option long_options[] = {
	{"print-config", no_argument, NULL, OPTION_PRINT_CONFIG},
	{"help-config", no_argument, NULL, OPTION_HELP_CONFIG},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static void print_usage(const struct daemon_spec *spec, FILE *to)
{
	const struct daemon_command *c = spec->commands;

	fprintf(to,
		"%s: %s\n\n"
		"usage: %s [-c FILE] [-o KEY=VALUE]... [OPTION] [COMMAND ...]\n\n"
		"  -c FILE         settings, one `key = value` a line\n"
		"  -o KEY=VALUE    one setting; before it come the environment (ANALYTICS_<KEY>) "
		"and "
		"the file\n"
		"  -t              check the settings and exit\n"
		"  --print-config  print the settings in force, secrets masked, and exit\n"
		"  --help-config   describe every setting and exit\n"
		"  -V, --version   versions of the program and of the libraries it runs with\n"
		"  -h, --help      this\n",
		spec->name, spec->summary, spec->name);
	if (c == NULL)
		return;
	fprintf(to, "\nwithout a command it runs as a daemon; commands:\n");
	for (; c->name != NULL; c++)
		fprintf(to, "  %s %s\n", c->name, c->usage);
}

/* The file a library was loaded from tells its version (libpq.so.5.15): no header is needed. */
static int print_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	static const char *const shown[] = {"libevent", "libpq",    "libhiredis", "libzmq",
					    "libcurl",  "libcjson", "libssl",     "libcrypto"};
	char path[PATH_MAX];
	const char *base;

	(void)size;
	(void)arg;
	if (info->dlpi_name[0] == '\0' || realpath(info->dlpi_name, path) == NULL)
		return 0;
	base = strrchr(path, '/') + 1;
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		if (strncmp(base, shown[i], strlen(shown[i])) == 0)
			printf("  %s\n", base);
	return 0;
}

static void print_config_help(const struct daemon_spec *spec)
{
	struct strbuf text = STRBUF_INIT;

	conf_help(spec->keys, spec->nkeys, &text);
	(void)fputs(strbuf_cstr(&text), stdout);
	strbuf_clear(&text);
}

static const struct daemon_command *find_command(const struct daemon_spec *spec, const char *name)
{
	for (const struct daemon_command *c = spec->commands; c != NULL && c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static enum daemon_exit usage_error(const struct daemon_spec *spec, const char *what,
				    const char *which)
{
	fprintf(stderr, "%s: %s%s%s; see %s -h\n", spec->name, what, which != NULL ? " " : "",
		which != NULL ? which : "", spec->name);
	return DAEMON_USAGE;
}

/* One option; false: the command line is wrong and that was said. */
static bool take_option(const struct daemon_spec *spec, int option, struct daemon_options *o)
{
	switch (option) {
	case 'c':
		o->file = optarg;
		return true;
	case 'o':
		if (o->noverrides == DAEMON_OVERRIDES_MAX) {
			(void)usage_error(spec, "too many -o", NULL);
			return false;
		}
		o->overrides[o->noverrides++].assignment = optarg;
		return true;
	case 't':
		o->mode = DAEMON_MODE_TEST;
		return true;
	case OPTION_PRINT_CONFIG:
		o->mode = DAEMON_MODE_PRINT_CONFIG;
		return true;
	case OPTION_HELP_CONFIG:
		print_config_help(spec);
		break;
	case 'V':
		printf("%s %s\n", spec->name, VERSION);
		(void)dl_iterate_phdr(print_library, NULL);
		break;
	case 'h':
		print_usage(spec, stdout);
		break;
	default: /* getopt has complained */
		return false;
	}
	o->mode = DAEMON_MODE_DONE;
	return true;
}

enum daemon_exit daemon_options_parse(const struct daemon_spec *spec, int argc, char **argv,
				      struct daemon_options *ret)
{
	int option;

	*ret = (struct daemon_options){.mode = DAEMON_MODE_RUN};
	/* '+': options after the command are the command's */
	while ((option = getopt_long(argc, argv, "+c:o:tVh", long_options, NULL)) != -1) {
		if (!take_option(spec, option, ret))
			return DAEMON_USAGE;
		if (ret->mode == DAEMON_MODE_DONE)
			return DAEMON_OK;
	}
	if (optind == argc)
		return DAEMON_OK;
	ret->command = find_command(spec, argv[optind]);
	if (ret->command == NULL)
		return usage_error(spec, "there is no command", argv[optind]);
	ret->command_argc = argc - optind - 1;
	ret->command_argv = argv + optind + 1;
	return DAEMON_OK;
}
