/*
 * L1: settings. One X-macro table per daemon (common/config.def + <daemon>/config.def) gives the
 * struct, the parser, --help-config, --print-config and the README's table. A key comes from the
 * file (-c), the environment (ANALYTICS_<KEY>; DATABASE_URL, WAREHOUSE_URL, REDIS_URL and PORT
 *under their usual names too) or the command line (-o key=value), the later winning.
 *
 *	KEY(name, TYPE, default, min, max, flags, help)
 *
 * TYPE: STRING (min/max = length), INT, BOOL, DURATION (ms), SIZE (bytes), ADDR (host:port, port 0
 * = any free one), CHOICE (the default's help lists "a|b|c" in front of a colon), SECRET_FILE (path
 * of a file; its trimmed content is the value). Flags: CONF_SECRET masks the value in every output,
 * CONF_NO_RELOAD marks what SIGHUP cannot change.
 */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include "common/base/err.h"
#include "common/base/strbuf.h"

enum conf_type {
	CONF_STRING,
	CONF_INT,
	CONF_BOOL,
	CONF_DURATION,
	CONF_SIZE,
	CONF_ADDR,
	CONF_CHOICE,
	CONF_SECRET_FILE,
};

#define CONF_C_STRING      char *
#define CONF_C_INT         int64_t
#define CONF_C_BOOL        bool
#define CONF_C_DURATION    int64_t
#define CONF_C_SIZE        int64_t
#define CONF_C_ADDR        char *
#define CONF_C_CHOICE      char *
#define CONF_C_SECRET_FILE char *

enum { CONF_SECRET = 1, CONF_NO_RELOAD = 2 };

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset; /* of the member in the daemon's config struct */
	const char *def;
	int64_t min, max;
	unsigned flags;
	const char *help; /* one sentence; for CHOICE "a|b|c: sentence" */
};

/* How a daemon makes both from its table (see ingestd/config.h):
 *   struct x_config { #define KEY CONF_MEMBER … };  const struct conf_key x_keys[] = { … } */
#define CONF_MEMBER(name, type, def, min, max, flags, help) CONF_C_##type name;
#define CONF_ROW(st, name, type, def, min, max, flags, help) \
	{#name, CONF_##type, offsetof(st, name), def, min, max, flags, help},

/* One source of settings on the command line: -o key=value, in order. */
struct conf_override {
	const char *assignment;
};

/*
 * Fills the zeroed struct at `conf`. `file` may be NULL. Fails with -EINVAL and a sentence naming
 * the key, the place (file:line, environment variable, -o) and what is allowed: unknown key (also
 * in the environment: a misspelt ANALYTICS_… is an error), bad value, out of range. The struct then
 * is cleared. Strings are owned by the struct: conf_clear frees them.
 */
int conf_load(const struct conf_key *keys, size_t nkeys, const char *file,
	      const struct conf_override *overrides, size_t noverrides, void *conf,
	      struct err *e) MUST_CHECK;
void conf_clear(const struct conf_key *keys, size_t nkeys, void *conf);

/* `key = value` lines, secrets as ***; and a documented sample with the defaults. */
void conf_print(const struct conf_key *keys, size_t nkeys, const void *conf, struct strbuf *out);
void conf_help(const struct conf_key *keys, size_t nkeys, struct strbuf *out);
/* Names of the CONF_NO_RELOAD keys that differ, one callback each. */
void conf_diff(const struct conf_key *keys, size_t nkeys, const void *old_conf,
	       const void *new_conf, void (*on_differs)(const struct conf_key *, void *arg),
	       void *arg);

#endif
