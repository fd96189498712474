/* The two clocks, with a switch for tests; see clock.h. */
#include "common/base/clock.h"

#include <time.h>

static struct {
	bool frozen;
	int64_t wall_us, mono_us;
} fake;

static int64_t read_us(clockid_t id)
{
	struct timespec ts;
	int r = clock_gettime(id, &ts);

	ASSERT(r == 0);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return fake.frozen ? fake.mono_us : read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_wall_us(void)
{
	return fake.frozen ? fake.wall_us : read_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
	return clock_wall_us() / 1000;
}

void clock_set_for_test(int64_t wall_us, int64_t mono_us)
{
	fake.frozen = true;
	fake.wall_us = wall_us;
	fake.mono_us = mono_us;
}

void clock_unset_for_test(void)
{
	fake.frozen = false;
}
