/*
 * L0: what time it is. Deadlines and durations use the monotonic clock, records the wall clock.
 * A test may freeze both with clock_set_for_test().
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include "common/base/base.h"

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_us(void); /* microseconds since 1970-01-01 UTC */
int64_t clock_wall_ms(void);

void clock_set_for_test(int64_t wall_us, int64_t mono_us);
void clock_unset_for_test(void);

#endif
