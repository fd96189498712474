/*
 * The platform has no shared words for retention and residency; these tables fold what producers
 * say to ours. Pure look-ups: the result is static text.
 */
#ifndef INGESTD_FOLD_H
#define INGESTD_FOLD_H

#include "common/base/base.h"

/* operational, regulated, audit or analytical. No word at all is operational, the platform's
 * default; a word that nobody told us is regulated: a guess must not lead to an early deletion. */
struct slice fold_retention(struct slice word);

/* The region that a tenant's data is bound to (me-central1, asia-south1, europe-west3), or empty
 * when the word is none or unknown. */
struct slice fold_residency(struct slice word);

#endif
