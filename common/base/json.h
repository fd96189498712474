/*
 * L1: JSON for everything that is not hot; the only file with cJSON in its .c. It takes cJSON's
 * loose ends away: the text must be UTF-8, one value with nothing after it, at most
 * `JSON_DEPTH_MAX` deep, without duplicate keys and without \u0000; keys are case sensitive; an
 * integer is read from its text range -2^53..2^53, never rounded.
 *
 * A struct json is a borrowed node of a document; json_free takes the root only.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/base/err.h"
#include "common/base/strbuf.h"

struct json; /* opaque node */

#define JSON_DEPTH_MAX  64
#define JSON_NESTED_MAX 500

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Parses at most max bytes. -EINVAL with the byte offset of the first fault. */
int json_parse(struct slice text, size_t max, struct json **ret, struct err *e) MUST_CHECK;
/* The same for what a library wrote for us and not a client; at most JSON_NESTED_MAX deep. */
int json_parse_nested(struct slice text, size_t max, unsigned depth_max, struct json **ret,
		      struct err *e) MUST_CHECK;
void json_free(struct json *root);

enum json_kind json_kind(const struct json *v);
/* Member of an object or NULL (also when v is NULL or no object). */
const struct json *json_get(const struct json *v, const char *key);
size_t json_len(const struct json *v); /* elements of an array, members of an object */
const struct json *json_at(const struct json *v, size_t i);
const char *json_key_at(const struct json *object, size_t i);

/* Typed getters: -EINVAL with a sentence naming `what` when v is missing or of another kind. The
 * string lives as long as the document. */
int json_string(const struct json *v, const char *what, const char **ret, struct err *e) MUST_CHECK;
int json_i64(const struct json *v, const char *what, int64_t min, int64_t max, int64_t *ret,
	     struct err *e) MUST_CHECK;
int json_bool(const struct json *v, const char *what, bool *ret, struct err *e) MUST_CHECK;
/* The string or NULL: for optional members that were validated before. */
const char *json_string_or_null(const struct json *v);
bool json_is(const struct json *v, const char *s); /* v is this string */
/* v is this string or an array that contains it, as a JWT's `aud`. */
bool json_has(const struct json *v, const char *s);
void json_write(const struct json *v, struct strbuf *out); /* compact, members in document order */

/*
 * Writer: appends to a strbuf and puts the commas. Keys are C strings, values UTF-8.
 *   jw_object(w); jw_key(w, "n"); jw_i64(w, 1); jw_end(w);
 */
struct json_writer {
	struct strbuf *out;
	unsigned depth;
	uint64_t comma;  /* bit per depth: an element was written */
	uint64_t object; /* bit per depth: '}' closes it */
	bool after_key;
};

void jw_init(struct json_writer *w, struct strbuf *out);
void jw_object(struct json_writer *w);
void jw_array(struct json_writer *w);
void jw_end(struct json_writer *w);
void jw_key(struct json_writer *w, const char *key);
void jw_str(struct json_writer *w, const char *s); /* NULL writes null */
void jw_slice(struct json_writer *w, struct slice s);
void jw_i64(struct json_writer *w, int64_t v);
void jw_double(struct json_writer *w, double v); /* shortest text that reads back the same */
void jw_bool(struct json_writer *w, bool v);
void jw_null(struct json_writer *w);
void jw_raw(struct json_writer *w, struct slice json); /* a complete JSON value */

#endif
