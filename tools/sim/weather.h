/*
 * What happens to lines on their way: late ones, repeats, conflicting copies, blocks out of order.
 * Draws from a stream of its own, so that the world below stays the same. A copy leaves after its
 * original, and a conflicting one in a later block, so that the original is always first.
 */
#ifndef SIM_WEATHER_H
#define SIM_WEATHER_H

#include "common/base/strbuf.h"
#include "tools/sim/options.h"
#include "tools/sim/rng.h"

struct weather;
struct parcel; /* a copy that follows its original */

struct weather *weather_new(const struct options *o, FILE *out) MUST_CHECK;
void weather_free(struct weather *w);

/* True with the probability of a share (OPTIONS_PPM). */
bool weather_draws(struct weather *w, int64_t share);
struct rng *weather_rng(struct weather *w);
int64_t weather_lateness(struct weather *w); /* microseconds by which a late event is late */

/* A copy of line that leaves delay_us after its original; then `next`, which is taken over. */
struct parcel *weather_parcel(struct slice line, int64_t delay_us, struct parcel *next) MUST_CHECK;
/* Sends a line at `now_us` of the simulation plus delay; followers (may be NULL) are taken over. */
void weather_send(struct weather *w, int64_t now_us, int64_t delay_us, struct slice line,
		  struct parcel *followers);
/* All that is held back leaves. -EIO when the output failed at any time. */
int weather_finish(struct weather *w) MUST_CHECK;

#endif
