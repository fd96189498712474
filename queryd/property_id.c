/* Canonical property ids; see property_id.h. */
#include "queryd/property_id.h"

#include <errno.h>

#include "common/base/ulid.h"

#define CANONICAL_PREFIX "ppt_"

static const char *const aliases[] = {CANONICAL_PREFIX, "prp_", "prop_", "pty_"};

static bool well_formed(const char *id)
{
	size_t prefix = strspn(id, "abcdefghijklmnopqrstuvwxyz");
	size_t rest;

	if (prefix == 0 || id[prefix] != '_')
		return false;
	rest = strspn(id + prefix + 1,
		      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	return rest > 0 && id[prefix + 1 + rest] == '\0' && prefix + 1 + rest <= PROPERTY_ID_MAX;
}

int property_id_canonical(const char *id, char out[PROPERTY_ID_MAX + 1])
{
	if (!well_formed(id))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		struct slice rest = slice_of(id);

		if (!slice_starts(rest, aliases[i]))
			continue;
		rest.ptr += strlen(aliases[i]);
		rest.len -= strlen(aliases[i]);
		if (!ulid_valid(rest))
			break;
		memcpy(out, CANONICAL_PREFIX, sizeof(CANONICAL_PREFIX));
		ulid_canonical(rest, out + sizeof(CANONICAL_PREFIX) - 1);
		return 0;
	}
	memcpy(out, id, strlen(id) + 1);
	return 0;
}
