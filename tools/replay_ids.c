/* Event ids; see replay_ids.h. The scanner only finds strings: whether a line is good JSON is for
 * ingestd to say, a bad one merely has no id here. */
#include "tools/replay_ids.h"

#include <errno.h>

#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/xalloc.h"

/* --- finding it */

struct scan {
	const char *p, *end;
	bool escape; /* a string had a backslash: the slow way decides */
};

struct found {
	struct slice event_id, id, envelope_event_id;
};

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static bool take(struct scan *s, char c)
{
	skip_space(s);
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool take_string(struct scan *s, struct slice *ret)
{
	const char *from;

	if (!take(s, '"'))
		return false;
	for (from = s->p; s->p < s->end; s->p++) {
		if (*s->p == '"') {
			*ret = (struct slice){from, (size_t)(s->p - from)};
			s->p++;
			return true;
		}
		if (*s->p == '\\') {
			s->escape = true;
			s->p++;
		}
	}
	return false;
}

/* Over one value of any kind, up to the ',' or the bracket behind it. */
static bool skip_value(struct scan *s)
{
	struct slice ignored;
	int depth = 0;
	bool outer = s->escape;

	for (skip_space(s); s->p < s->end; s->p++) {
		if (*s->p == '"') {
			if (!take_string(s, &ignored))
				return false;
			s->p--;
		} else if (*s->p == '{' || *s->p == '[') {
			depth++;
		} else if (*s->p == '}' || *s->p == ']') {
			if (depth == 0)
				break;
			depth--;
		} else if (*s->p == ',' && depth == 0) {
			break;
		}
	}
	s->escape = outer; /* escapes in values that are no id do not matter */
	return s->p < s->end;
}

static bool scan_object(struct scan *s, struct found *found, bool envelope);

static bool scan_member(struct scan *s, struct found *found, bool envelope)
{
	struct slice key, *target = NULL;

	if (!take_string(s, &key) || !take(s, ':'))
		return false;
	skip_space(s);
	if (slice_eq_str(key, "eventId"))
		target = envelope ? &found->envelope_event_id : &found->event_id;
	else if (!envelope && slice_eq_str(key, "id"))
		target = &found->id;
	if (target != NULL && s->p < s->end && *s->p == '"')
		return take_string(s, target);
	if (!envelope && slice_eq_str(key, "envelope") && s->p < s->end && *s->p == '{')
		return scan_object(s, found, true);
	return skip_value(s);
}

static bool scan_object(struct scan *s, struct found *found, bool envelope)
{
	if (!take(s, '{'))
		return false;
	if (take(s, '}'))
		return true;
	do {
		if (!scan_member(s, found, envelope))
			return false;
		if (found->event_id.len > 0 && !s->escape)
			return true; /* nothing comes before it */
	} while (take(s, ','));
	return take(s, '}');
}

static void find_slowly(struct slice line, struct strbuf *out)
{
	struct json *root = NULL;
	const char *id;

	if (json_parse(line, line.len, &root, NULL) != 0)
		return;
	id = json_string_or_null(json_get(root, "eventId"));
	if (id == NULL || *id == '\0')
		id = json_string_or_null(json_get(root, "id"));
	if (id == NULL || *id == '\0')
		id = json_string_or_null(json_get(json_get(root, "envelope"), "eventId"));
	if (id != NULL)
		strbuf_append_str(out, id);
	json_free(root);
}

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] < 0x20)
			return true;
	}
	return false;
}

bool replay_id_find(struct slice line, struct strbuf *out)
{
	struct scan s = {.p = line.ptr, .end = line.ptr + line.len};
	struct found found = {0};

	strbuf_reset(out);
	if (!scan_object(&s, &found, false) && !s.escape)
		return false;
	if (s.escape) {
		find_slowly(line, out);
	} else {
		strbuf_append_slice(out, found.event_id.len > 0 ? found.event_id
					 : found.id.len > 0     ? found.id
								: found.envelope_event_id);
	}
	return out->len > 0 && !has_control((struct slice){out->ptr, out->len});
}

/* --- sets */

struct replay_ids {
	struct entry {
		uint64_t high, low; /* both 0: free */
	} * entries;
	size_t cap, used; /* cap: a power of two */
};

struct replay_ids *replay_ids_new(void)
{
	struct replay_ids *s = xcalloc(1, sizeof(*s));

	s->cap = 1024;
	s->entries = xcalloc(s->cap, sizeof(*s->entries));
	return s;
}

void replay_ids_free(struct replay_ids *s)
{
	if (s == NULL)
		return;
	free(s->entries);
	free(s);
}

static struct entry entry_of(struct slice id)
{
	unsigned char digest[HASH_SHA256_LEN];
	struct entry e;

	hash_sha256(id, digest);
	memcpy(&e.high, digest, sizeof(e.high));
	memcpy(&e.low, digest + sizeof(e.high), sizeof(e.low));
	e.low |= 1; /* never the free entry */
	return e;
}

/* Where e is, or the free place where it would be. */
static struct entry *place_of(const struct replay_ids *s, struct entry e)
{
	size_t i = e.high & (s->cap - 1);

	while (s->entries[i].low != 0 &&
	       (s->entries[i].high != e.high || s->entries[i].low != e.low))
		i = (i + 1) & (s->cap - 1);
	return &s->entries[i];
}

static void grow(struct replay_ids *s)
{
	struct replay_ids larger = {.cap = s->cap * 2, .used = s->used};

	larger.entries = xcalloc(larger.cap, sizeof(*larger.entries));
	for (size_t i = 0; i < s->cap; i++) {
		if (s->entries[i].low != 0)
			*place_of(&larger, s->entries[i]) = s->entries[i];
	}
	free(s->entries);
	*s = larger;
}

void replay_ids_add(struct replay_ids *s, struct slice id)
{
	struct entry e = entry_of(id), *place = place_of(s, e);

	if (place->low != 0)
		return;
	*place = e;
	if (++s->used * 4 > s->cap * 3)
		grow(s);
}

bool replay_ids_has(const struct replay_ids *s, struct slice id)
{
	return place_of(s, entry_of(id))->low != 0;
}

int replay_ids_load(struct replay_ids *s, const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int r = 0;

	if (f == NULL)
		return errno == ENOENT ? 0 : err_set(e, -errno, "%s: %s", path, strerror(errno));
	while ((n = getline(&line, &cap, f)) > 0) {
		size_t len = (size_t)n - (line[n - 1] == '\n');

		if (len > 0)
			replay_ids_add(s, (struct slice){line, len});
	}
	if (ferror(f))
		r = err_set(e, -EIO, "%s: %s", path, strerror(errno));
	free(line);
	(void)fclose(f);
	return r;
}
