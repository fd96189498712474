/*
 * What an event says, as 32 bytes: equal for any two texts that say the same (order of keys,
 * spacing, escapes, 1.0 or 1e0), different when anything differs. It tells a repeated event from a
 * conflicting one, so its definition is frozen: stored hashes are compared with new ones for ever.
 *
 * SHA-256 over each part as (length in 4 bytes, big-endian; bytes), then the payload's canonical
 * form, which is nothing for no payload and else, by kind:
 *	null, booleans  n t f
 *	number          d, '-' if negative, its digits without outer zeros, 'e' and the power of ten
 *	                of the last one unless 0, NUL; zero is d0 NUL
 *	string          s, its unescaped bytes, NUL (which no valid string contains)
 *	array           [ elements ]
 *	object          { for each key in byte order: its unescaped bytes, NUL, value } and }
 */
#ifndef INGESTD_CONTENT_HASH_H
#define INGESTD_CONTENT_HASH_H

#include "common/base/base.h"
#include "common/base/hash.h"

/* Working memory, reused; grows to a small multiple of the largest payload. */
struct content_hasher;

struct content_hasher *content_hasher_new(void) MUST_CHECK;
void content_hasher_free(struct content_hasher *h); /* NULL is fine */

/* payload is one value of a text that scan_document accepted, or empty. */
void content_hash(struct content_hasher *h, const struct slice *parts, size_t nparts,
		  struct slice payload, unsigned char out[HASH_SHA256_LEN]);

#endif
