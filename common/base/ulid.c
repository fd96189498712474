/* ULIDs; see ulid.h. Randomness is the kernel's; without it the process cannot go on. */
#include "common/base/ulid.h"

#include <sys/random.h>

#include "common/base/clock.h"

#define TIME_MAX ((INT64_C(1) << 48) - 1)

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static char upper(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return c;
}

/* One more in the 80-bit number; false when it wraps. */
static bool increment(unsigned char n[10])
{
	for (int i = 9; i >= 0; i--)
		if (++n[i] != 0)
			return true;
	return false;
}

void ulid_new(char out[ULID_LEN + 1])
{
	static int64_t last_ms = -1;
	static unsigned char last[10];
	int64_t ms = clock_wall_ms();

	if (ms != last_ms || !increment(last)) {
		ssize_t n = getrandom(last, sizeof(last), 0);

		ASSERT(n == (ssize_t)sizeof(last));
		last[0] &= 0x7f; /* room to count up within this millisecond */
	}
	last_ms = ms;
	ulid_make(ms, last, out);
}

void ulid_make(int64_t unix_ms, const unsigned char random[10], char out[ULID_LEN + 1])
{
	uint64_t time = (uint64_t)(unix_ms < 0 ? 0 : unix_ms > TIME_MAX ? TIME_MAX : unix_ms);

	for (int i = 9; i >= 0; i--) {
		out[i] = alphabet[time & 31];
		time >>= 5;
	}
	for (int half = 0; half < 2; half++) { /* 5 bytes are 8 characters */
		uint64_t bits = 0;

		for (int i = 0; i < 5; i++)
			bits = bits << 8 | random[half * 5 + i];
		for (int i = 7; i >= 0; i--) {
			out[10 + half * 8 + i] = alphabet[bits & 31];
			bits >>= 5;
		}
	}
	out[ULID_LEN] = '\0';
}

bool ulid_valid(struct slice s)
{
	if (s.len != ULID_LEN || s.ptr[0] < '0' || s.ptr[0] > '7')
		return false;
	for (size_t i = 1; i < ULID_LEN; i++) {
		char c = upper(s.ptr[i]);

		if (c == '\0' || strchr(alphabet, c) == NULL)
			return false;
	}
	return true;
}

void ulid_canonical(struct slice s, char out[ULID_LEN + 1])
{
	ASSERT(s.len == ULID_LEN);
	for (size_t i = 0; i < ULID_LEN; i++)
		out[i] = upper(s.ptr[i]);
	out[ULID_LEN] = '\0';
}

void ulid_prefixed(const char *prefix, char *out, size_t size)
{
	size_t n = strlen(prefix);

	ASSERT(size >= n + 1 + ULID_LEN + 1);
	(void)snprintf(out, size, "%s_", prefix);
	ulid_new(out + n + 1);
}
