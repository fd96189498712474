/*
 * L0: ULIDs: 26 characters of Crockford base 32, 48 bits of milliseconds then 80 random bits.
 */
#ifndef COMMON_ULID_H
#define COMMON_ULID_H

#include "common/base/base.h"

#define ULID_LEN 26

/* A new ULID of now; within one process ids of one millisecond still ascend. out is terminated. */
void ulid_new(char out[ULID_LEN + 1]);
/* From its parts: for ids derived from content (the synthetic dedupe key). */
void ulid_make(int64_t unix_ms, const unsigned char random[10], char out[ULID_LEN + 1]);
/* Exactly 26 characters of the alphabet (either case) and no overflow (first character 0-7). */
bool ulid_valid(struct slice s);
/* Upper-cases s into out; s must be valid. */
void ulid_canonical(struct slice s, char out[ULID_LEN + 1]);
/* "<prefix>_<new ulid>" into out of at least prefix + 28 bytes. */
void ulid_prefixed(const char *prefix, char *out, size_t size);

#endif
