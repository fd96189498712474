/* The small text readers: num, timestamp, base64, ulid. What is read and has a text reads again. */
#include <math.h>

#include "common/base/hash.h"
#include "common/base/num.h"
#include "common/base/strbuf.h"
#include "common/base/timestamp.h"
#include "common/base/ulid.h"
#include "common/base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_numbers(struct slice s)
{
	struct strbuf b = STRBUF_INIT;
	int64_t i, again;
	double d, same;
	bool t;

	if (num_i64(s, INT64_MIN, INT64_MAX, &i) == 0) {
		strbuf_append_i64(&b, i);
		ASSERT(num_i64(strbuf_slice(&b), i, i, &again) == 0 && again == i);
	}
	strbuf_reset(&b);
	if (num_double(s, &d) == 0) {
		ASSERT(isfinite(d));
		strbuf_append_double(&b, d);
		ASSERT(num_double(strbuf_slice(&b), &same) == 0 && same == d);
	}
	strbuf_clear(&b);
	(void)!num_bool(s, &t);
	if (num_duration_ms(s, &i) == 0)
		ASSERT(i >= 0);
	if (num_size(s, &i) == 0)
		ASSERT(i >= 0);
}

static void check_times(struct slice s)
{
	char text[TIMESTAMP_TEXT_MAX];
	int32_t days, same_day;
	int64_t us, again;

	if (timestamp_parse(s, &us) == 0) {
		timestamp_format(us, text);
		ASSERT(timestamp_parse(slice_of(text), &again) == 0 && again == us);
	}
	if (timestamp_parse_date(s, &days) == 0) {
		timestamp_format_date(days, text);
		ASSERT(slice_eq_str(s, text));
		same_day = timestamp_days(timestamp_civil(days));
		ASSERT(same_day == days);
	}
	if (s.len >= sizeof(us)) {
		memcpy(&us, s.ptr, sizeof(us));
		timestamp_format(us, text);
		ASSERT(timestamp_parse(slice_of(text), &again) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = {(const char *)data, size};
	unsigned char *out = xmalloc(size * 3 / 4 + 3); /* as hash.h says, not a byte more */
	char ulid[ULID_LEN + 1];
	size_t n;

	check_numbers(s);
	check_times(s);
	if (hash_base64_decode(s, out, &n) == 0)
		ASSERT(n <= size * 3 / 4);
	if (hash_base64url_decode(s, out, &n) == 0)
		ASSERT(n == size * 3 / 4);
	if (ulid_valid(s)) {
		ulid_canonical(s, ulid);
		ASSERT(ulid_valid(slice_of(ulid)));
	}
	free(out);
	return 0;
}
