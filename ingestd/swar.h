/*
 * Eight bytes at a time in a 64-bit word: finds the byte that ends a run without looking at each.
 * The functions answer with a mask that has bit 7 set in matching bytes; only the lowest match is
 * exact (a match may set bits above itself), which is all that swar_first needs.
 */
#ifndef INGESTD_SWAR_H
#define INGESTD_SWAR_H

#include "common/base.h"

#define SWAR_ONES  UINT64_C(0x0101010101010101)
#define SWAR_HIGHS UINT64_C(0x8080808080808080)

/* The bytes at p, the first in the lowest place whatever the machine's byte order. */
static inline uint64_t swar_load(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	w = __builtin_bswap64(w);
#endif
	return w;
}

/* What a JSON string cannot take as it is: a quote or a backslash. */
static inline uint64_t swar_quotes(uint64_t w)
{
	uint64_t quote = w ^ (SWAR_ONES * '"'), backslash = w ^ (SWAR_ONES * '\\');

	return ((quote - SWAR_ONES) | (backslash - SWAR_ONES)) & ~w & SWAR_HIGHS;
}

/* The same, or a control character, or a byte outside ASCII. */
static inline uint64_t swar_special(uint64_t w)
{
	return swar_quotes(w) | ((w - SWAR_ONES * ' ') & ~w & SWAR_HIGHS) | (w & SWAR_HIGHS);
}

/* Position 0-7 of the first match; mask must not be 0. */
static inline unsigned swar_first(uint64_t mask)
{
	return (unsigned)__builtin_ctzll(mask) / 8;
}

#endif
