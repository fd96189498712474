/*
 * L0: strict number parsing. The whole slice must be the number (no spaces, no sign twice, no
 * trailing bytes) and lie in the range, else -EINVAL (not a number of this form) or -ERANGE.
 * Nothing else in the tree turns text into numbers.
 */
#ifndef COMMON_NUM_H
#define COMMON_NUM_H

#include "common/base/base.h"

int num_i64(struct slice s, int64_t min, int64_t max, int64_t *ret) MUST_CHECK;
int num_bool(struct slice s, bool *ret) MUST_CHECK;     /* true|false|on|off|yes|no|1|0 */
int num_double(struct slice s, double *ret) MUST_CHECK; /* JSON number grammar, finite */
int num_duration_ms(struct slice s,
		    int64_t *ret) MUST_CHECK;          /* 500ms 5s 10m 2h 1d; unit required */
int num_size(struct slice s, int64_t *ret) MUST_CHECK; /* 512B 64KiB 8MiB 1GiB; unit required */

#endif
