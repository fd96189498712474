/*
 * json: whatever is accepted is written back as JSON that reads the same, and every access to it
 * stays inside; whatever bytes a writer is given, JSON comes out.
 */
#include "common/base/json.h"
#include "common/base/utf8.h"

#define TEXT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct json *v)
{
	int64_t n;
	bool b;

	(void)!json_i64(v, "v", INT64_MIN, INT64_MAX, &n, NULL);
	(void)!json_bool(v, "v", &b, NULL);
	(void)json_string_or_null(v);
	for (size_t i = 0; i < json_len(v); i++) {
		const char *key = json_key_at(v, i);

		if (json_kind(v) == JSON_OBJECT)
			ASSERT(json_get(v, key) == json_at(v, i));
		walk(json_at(v, i));
	}
}

static void check_reading(struct slice text)
{
	struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
	struct json *j;
	struct err e;

	if (json_parse(text, TEXT_MAX, &j, &e) < 0)
		return;
	ASSERT(utf8_valid(text));
	walk(j);
	json_write(j, &first);
	json_free(j);
	/* escapes may make it longer than its limit */
	ASSERT(json_parse(strbuf_slice(&first), 6 * TEXT_MAX, &j, &e) == 0);
	json_write(j, &second);
	json_free(j);
	ASSERT(slice_eq(strbuf_slice(&first), strbuf_slice(&second)));
	strbuf_clear(&first);
	strbuf_clear(&second);
}

static void check_writing(struct slice bytes)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	struct json *j;

	if (memchr(bytes.ptr, '\0', bytes.len) != NULL)
		return; /* written as \u0000, which is JSON, but not ours */
	jw_init(&w, &b);
	jw_array(&w);
	jw_slice(&w, bytes);
	jw_end(&w);
	ASSERT(json_parse(strbuf_slice(&b), 7 * TEXT_MAX, &j, NULL) == 0);
	if (utf8_valid(bytes))
		ASSERT(slice_eq_str(bytes, json_string_or_null(json_at(j, 0))));
	json_free(j);
	strbuf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = {(const char *)data, size};

	check_reading(s);
	if (size > 0)
		check_writing(s);
	return 0;
}
