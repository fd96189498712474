/*
 * L0: the pieces of URLs that we read ourselves: percent encoding, query strings and path templates
 * of routes. Pure; what is malformed is refused, never guessed.
 */
#ifndef COMMON_URI_H
#define COMMON_URI_H

#include "common/base/arena.h"

#define URI_PARAMS_MAX 4  /* templates in one path */
#define URI_QUERY_MAX  64 /* parameters of one query string */

struct uri_param {
	const char *name, *value;
};

/* Decodes once into out, which has room for s.len + 1 bytes, and terminates it. `plus` reads '+' as
 * a space (query strings). -EINVAL: a bad escape, a zero byte, or the result is not UTF-8. */
int uri_decode(struct slice s, bool plus, char *out) MUST_CHECK;

/* "a=1&b" -> {a, "1"}, {b, ""}, decoded, in order, in the arena. -EINVAL: as above or more than
 * URI_QUERY_MAX of them. */
int uri_parse_query(struct slice query, struct arena *a, struct uri_param **ret,
		    size_t *ret_count) MUST_CHECK;

/*
 * Does the decoded path fit "/metrics/{key}:compute"? {name} takes a run of at least one byte
 * without '/' and ':', everything else stands for itself. On true the values are copied into the
 * arena and *ret_count (at most URI_PARAMS_MAX) is set; nothing is written on false.
 */
bool uri_match(const char *pattern, const char *path, struct arena *a,
	       struct uri_param ret[URI_PARAMS_MAX], size_t *ret_count);

#endif
