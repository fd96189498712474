/*
 * L0: is this UTF-8? Strict (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include "common/base/base.h"

/* Length (1-4) of the valid sequence that starts at p, or 0; never looks past p + n. */
size_t utf8_sequence(const char *p, size_t n);
bool utf8_valid(struct slice s);

#endif
