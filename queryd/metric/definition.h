/*
 * Definitions of metrics as they are published: read from JSON and checked whole, so that whatever
 *is stored can be computed. Parts are what queryd/metric/parts.c lists; a definition combines them:
 *
 *	{"key": "ota_share_of_nights", "version": 1, "display": "…" or {"default": "…", "values":
 *{…}}, "unit": {"kind": "percent"}, "numerator": "rooms_sold", "denominator": "rooms_occupied",
 *	 "dimensions": ["property_id"], "freshnessSloSeconds": 300}
 *
 * Its hash covers key, version, unit and what it computes, not its names.
 */
#ifndef QUERYD_METRIC_DEFINITION_H
#define QUERYD_METRIC_DEFINITION_H

#include "common/base/hash.h"
#include "queryd/compute/request.h"

struct definition {
	const char *key;
	int64_t version;
	const char *display;    /* I18nString, JSON */
	const char *unit;       /* kind */
	const char *definition; /* JSON, as Postgres writes jsonb */
	char hash[2 * HASH_SHA256_LEN + 1];
};

/* f->n > 0: not valid, ret undefined. Texts live in the arena. */
void definition_read(const struct json *v, struct arena *a, struct definition *ret,
		     struct faults *f);

#endif
