/*
 * Property ids as claims and filters spell them. The services disagree on the prefix; curated rows
 * hold `ppt_` and an upper-case ULID, so what comes in is made canonical before it is compared,
 * signed or hashed.
 */
#ifndef QUERYD_PROPERTY_ID_H
#define QUERYD_PROPERTY_ID_H

#include "common/base/base.h"

#define PROPERTY_ID_MAX 120

/* `prp_ prop_ pty_` + ULID -> `ppt_` + upper-case ULID; anything else as it is. -EINVAL when it is
 * not <prefix>_<letters and digits>: it becomes part of a signed, comma separated text in which
 * "all" and "*" mean every property, so nothing else may pass. */
int property_id_canonical(const char *id, char out[PROPERTY_ID_MAX + 1]) MUST_CHECK;

#endif
