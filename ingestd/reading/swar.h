/*
 * Finds the byte that ends a run without looking at each: eight at a time in a 64-bit word, or
 * sixteen where the processor is known to have SSE2.
 *
 * The functions on words answer with a mask that has bit 7 set in matching bytes; only the lowest
 * match is exact (a match may set bits above itself), which is all that swar_first needs.
 */
#ifndef INGESTD_SWAR_H
#define INGESTD_SWAR_H

#include "common/base/base.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* A control character, DEL among them. */
static inline uint64_t swar_control(uint64_t w)
{
	uint64_t del = w ^ (SWAR_ONES * 0x7f);

	return (((w - SWAR_ONES * ' ') & ~w) | ((del - SWAR_ONES) & ~del)) & SWAR_HIGHS;
}

/* Position 0-7 of the first match; mask must not be 0. */
static inline unsigned swar_first(uint64_t mask)
{
	return (unsigned)__builtin_ctzll(mask) / 8;
}

/*
 * Passes over whole words of a string that need no look: true when *p stands at a byte that does,
 * false when fewer bytes than a word are left for the caller. `plain` asks for swar_special, else
 * for swar_quotes.
 */
static inline bool swar_skip(const char **p, const char *end, bool plain)
{
#ifdef __SSE2__
	for (; end - *p >= 16; *p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)*p);
		__m128i found = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
					     _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
		int mask;

		if (plain) /* as signed numbers, bytes outside ASCII are below the blank, too */
			found = _mm_or_si128(found, _mm_cmplt_epi8(v, _mm_set1_epi8(' ')));
		mask = _mm_movemask_epi8(found);
		if (mask != 0) {
			*p += __builtin_ctz((unsigned)mask);
			return true;
		}
	}
#endif
	for (; end - *p >= 8; *p += 8) {
		uint64_t w = swar_load(*p), found = plain ? swar_special(w) : swar_quotes(w);

		if (found != 0) {
			*p += swar_first(found);
			return true;
		}
	}
	return false;
}

#endif
