/* Sets of paths; see fingerprint.h. */
#include "ingestd/reading/fingerprint.h"

#include "common/base/hash.h"
#include "common/base/strbuf.h"
#include "ingestd/reading/scan.h"

#define PATH_MAX_LEN 400 /* what is deeper is left out */
#define NAME_MAX_LEN 40

static const char *const kinds[] = {
	[SCAN_BOOL] = "boolean", [SCAN_NUMBER] = "number", [SCAN_STRING] = "string",
	[SCAN_ARRAY] = "array",  [SCAN_OBJECT] = "object",
};

struct walk {
	struct arena *arena;
	const char *paths[FINGERPRINT_PATHS_MAX];
	size_t npaths;
	char path[PATH_MAX_LEN + 1]; /* where it is, without its type */
	size_t len;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Is a key a name that a schema would have, and not data? A word with a lower-case letter, of three
 * characters or more, with two digits at its end at most: `amountMicro`, `rooms_p10`; but neither
 * `fa` nor `USD`, which are keys of maps, nor an id or a date. */
static bool is_name(struct slice key)
{
	static const char *const short_names[] = {"id", "at", "ip", "to"};
	size_t letters = 0;
	bool lower = false;

	for (size_t i = 0; i < ARRAY_SIZE(short_names); i++)
		if (slice_eq_str(key, short_names[i]))
			return true;
	while (letters < key.len && is_letter(key.ptr[letters])) {
		lower |= key.ptr[letters] >= 'a' && key.ptr[letters] <= 'z';
		letters++;
	}
	for (size_t i = letters; i < key.len; i++)
		if (key.ptr[i] < '0' || key.ptr[i] > '9')
			return false;
	return lower && key.len >= 3 && key.len <= NAME_MAX_LEN && key.len <= letters + 2;
}

static void note(struct walk *w, enum scan_kind kind)
{
	if (w->npaths < FINGERPRINT_PATHS_MAX && w->len > 0)
		w->paths[w->npaths++] = arena_printf(w->arena, "%.*s %s", (int)w->len, w->path,
						     kinds[kind]);
}

/* False: the path would be too long; nothing was appended. */
static bool push(struct walk *w, const char *separator, struct slice name)
{
	size_t sep = w->len > 0 ? strlen(separator) : 0;

	if (w->len + sep + name.len > PATH_MAX_LEN)
		return false;
	memcpy(w->path + w->len, separator, sep);
	memcpy(w->path + w->len + sep, name.ptr, name.len);
	w->len += sep + name.len;
	return true;
}

static void walk_value(struct walk *w, struct slice value, enum scan_kind kind);

static void walk_object(struct walk *w, struct slice object)
{
	struct scan_member m;
	size_t offset = 0, before = w->len;

	while (scan_object_next(object, &offset, &m, NULL) > 0) {
		if (push(w, ".", is_name(m.key) && !m.key_escaped ? m.key : SLICE_LIT("*")))
			walk_value(w, m.value, m.kind);
		w->len = before;
	}
}

static void walk_array(struct walk *w, struct slice array)
{
	struct slice element;
	size_t offset = 0, before = w->len;

	while (scan_array_next(array, &offset, &element, NULL) > 0) {
		if (push(w, "", SLICE_LIT("[]")))
			walk_value(w, element, scan_kind_of(element));
		w->len = before;
	}
}

/* As deep as the scanner lets a text be. */
static void walk_value(struct walk *w, struct slice value, enum scan_kind kind)
{
	if (kind == SCAN_NULL)
		return;
	note(w, kind);
	if (kind == SCAN_OBJECT)
		walk_object(w, value);
	else if (kind == SCAN_ARRAY)
		walk_array(w, value);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int64_t fingerprint_make(struct slice text, struct arena *arena, struct slice *ret_paths)
{
	struct walk *w = arena_alloc(arena, sizeof(*w));
	struct strbuf out = STRBUF_INIT;
	unsigned char digest[HASH_SHA256_LEN];
	uint64_t fingerprint = 0;

	w->arena = arena;
	walk_value(w, text, scan_kind_of(text));
	qsort(w->paths, w->npaths, sizeof(w->paths[0]), by_text);
	for (size_t i = 0; i < w->npaths; i++) {
		if (i > 0 && strcmp(w->paths[i - 1], w->paths[i]) == 0)
			continue;
		strbuf_append_str(&out, w->paths[i]);
		strbuf_append_char(&out, '\n');
	}
	hash_sha256(strbuf_slice(&out), digest);
	for (size_t i = 0; i < sizeof(fingerprint); i++)
		fingerprint = fingerprint << 8 | digest[i];
	*ret_paths = (struct slice){arena_strndup(arena, strbuf_cstr(&out), out.len), out.len};
	strbuf_clear(&out);
	return (int64_t)fingerprint;
}
