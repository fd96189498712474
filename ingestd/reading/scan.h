/*
 * The validating JSON scanner of the hot path: one pass over the text, no allocation, nothing
 * copied. It says whether the whole text is JSON that can be stored, and where the members are that
 * the envelope rules look at; it gives no meaning to them.
 *
 * Valid is what Postgres 15 takes as jsonb (strict UTF-8, no \u0000, no lone surrogates, numbers
 * that fit its numeric), and stricter in three ways: a key may not occur twice in one object
 * (compared unescaped, at every level), the nesting is bounded, and so are the keys.
 */
#ifndef INGESTD_SCAN_H
#define INGESTD_SCAN_H

#include "common/base/base.h"
#include "ingestd/reading/fault.h"

#define SCAN_DEPTH_MAX   64   /* nested containers; the outermost is the first */
#define SCAN_KEYS_MAX    4096 /* keys of all objects that are open at one place of the text */
#define SCAN_MEMBERS_MAX 256  /* members that one index holds */

enum scan_kind { SCAN_NULL, SCAN_BOOL, SCAN_NUMBER, SCAN_STRING, SCAN_ARRAY, SCAN_OBJECT };

/* A value is its text, a string with its quotes; a key is what stands between the quotes. */
struct scan_member {
	struct slice key, value;
	int parent; /* index of the member whose value is the object it is in; -1: the outermost */
	enum scan_kind kind;
	bool key_escaped, value_escaped; /* a backslash occurs in the key, in the string value */
};

/* The members of the outermost object and of those of its objects that were asked for, each after
 * its parent, in the order of the text. Borrows the text. */
struct scan_index {
	enum scan_kind kind; /* of the outermost value */
	/* Which members there are, at every level, and of which kinds; nulls are not there. Texts
	 * of one shape have the same, in whatever order; it depends on the scratch's seed. A filter
	 * for what is new, not an identity: of an array's elements only two extremes count. */
	uint64_t shape;
	size_t len;
	struct scan_member members[SCAN_MEMBERS_MAX];
};

struct scan_limits {
	size_t size_max; /* bytes of the text, below 4 GiB */
	/* keys of the outermost object whose value, when it is an object, is indexed too */
	const struct slice *descend;
	size_t ndescend;
};

/* Keys of the objects that are open, as a stack with hash chains through it. Made once with
 * scan_scratch_init, usable for one text after the other; the content is scan.c's business. */
#define SCAN_BUCKETS 1024
struct scan_scratch {
	uint64_t seed;
	size_t nkeys;
	uint16_t heads[SCAN_BUCKETS];
	struct scan_key {
		uint32_t hash, offset, len;
		uint16_t previous;
		bool escaped;
	} keys[SCAN_KEYS_MAX];
};

/* `seed` should be unpredictable: it keeps senders from choosing keys that collide. */
void scan_scratch_init(struct scan_scratch *scratch, uint64_t seed);

/* Validates the whole text and fills ret (NULL: validates only). -EINVAL with the first fault;
 * *ret is then undefined. */
int scan_document(struct slice text, const struct scan_limits *limits, struct scan_scratch *scratch,
		  struct scan_index *ret, struct fault *fault) MUST_CHECK;

/* The member `key` (compared unescaped) below the member at `parent`, -1 for the outermost object;
 * NULL when there is none. */
const struct scan_member *scan_find(const struct scan_index *index, int parent, const char *key);

/*
 * The elements of a text that is an array, one by one: 1 with the next element's text, 0 after the
 * last, -EINVAL when the text is no array or broken at this place. *offset is 0 before the first
 * call and the caller's only to carry. Grammar and UTF-8 are checked on the way, so that a run to
 * the end says whether the whole array can be taken apart; what a single event may not contain
 * (repeated keys, \u0000, ...) is left to scan_document on each element.
 */
int scan_array_next(struct slice text, size_t *offset, struct slice *ret,
		    struct fault *fault) MUST_CHECK;

/* The same for the members of a text that is an object; a key may come twice. */
int scan_object_next(struct slice text, size_t *offset, struct scan_member *ret,
		     struct fault *fault) MUST_CHECK;

/* The kind of a valid value, by its first byte (blanks before it are passed over). */
enum scan_kind scan_kind_of(struct slice value);

/* A string value without its quotes, still escaped. */
static inline struct slice scan_inside(struct slice value)
{
	return (struct slice){value.ptr + 1, value.len - 2};
}

/* The inside of a validated string as bytes; out holds s.len bytes, the result is never longer.
 * Returns its length. */
size_t scan_unescape(struct slice s, char *out);

#endif
