/*
 * L3: the access token for Google's REST APIs, kept at hand: from a file (somebody else renews it)
 * or from the metadata server of Compute Engine and Cloud Run (GCE_METADATA_HOST names another).
 * Renewed in the background five minutes before its end, by whoever asks: no timer of its own.
 */
#ifndef COMMON_GTOKEN_H
#define COMMON_GTOKEN_H

#include "common/base/err.h"

struct event_base;
struct gtoken;

/* file: NULL or "" for the metadata server. */
struct gtoken *gtoken_new(struct event_base *base, const char *file) MUST_CHECK;
void gtoken_free(struct gtoken *g); /* NULL is fine */
/* The header line "Authorization: Bearer …", valid until the loop's next turn; NULL when there is
 * none yet: then one is being fetched, ask again, or e says why the last try failed. */
const char *gtoken_header(struct gtoken *g, struct err *e) MUST_CHECK;
/* The API refused it: it is not given out again. */
void gtoken_refused(struct gtoken *g);

#endif
