/*
 * Runs the rule table over one event. When the reader is made, the sources that are members get
 * numbers (slots) and a hash table from (parent, key) to slot; then each member of an event costs
 * one look-up and each rule looks at a few slots, whatever the number of shapes. See envelope.h.
 */
#include "ingestd/reading/envelope.h"

#include <sys/random.h>

#include "common/base/num.h"
#include "common/base/xalloc.h"
#include "ingestd/reading/content_hash.h"
#include "ingestd/reading/fold.h"
#include "ingestd/reading/rules.h"
#include "ingestd/reading/scan.h"

#define SOURCES_MAX ARRAY_SIZE(rules[0].sources)
#define SLOTS_MAX   96
#define BUCKETS     256 /* a power of two, well above SLOTS_MAX */
#define PARENTS_MAX 16
#define KEY_MAX     32 /* longest key that a rule names */
#define NO_SLOT     (-1)
#define DAY_US      INT64_C(86400000000)

struct slot {
	struct slice parent, key; /* parent is empty for a member of the event itself */
};

struct envelope_reader {
	struct slice region; /* empty: all */
	struct slot slots[SLOTS_MAX];
	size_t nslots;
	int8_t buckets[BUCKETS]; /* slot or NO_SLOT; linear probing */
	int8_t source_slots[RULE_COUNT][SOURCES_MAX];
	struct slice parents[PARENTS_MAX];
	struct scan_limits limits; /* descends into the parents */
	struct content_hasher *hasher;
	/* the event that is being read */
	struct scan_scratch scratch;
	struct scan_index index;
	const struct scan_member *found[SLOTS_MAX];
	bool bare;   /* it came without a transport */
	bool binary; /* it is a CloudEvent in binary mode */
};

/* How a rule fared. */
struct outcome {
	bool taken;
	bool null;          /* what was refused is null */
	const char *source; /* the one taken, else the first that was there; NULL: there was none */
	const char *usual;  /* where it would be looked for first */
};

/* ---- the table of slots ---- */

static size_t bucket_of(struct slice parent, struct slice key)
{
	unsigned char first = (unsigned char)key.ptr[0];
	unsigned char last = (unsigned char)key.ptr[key.len - 1];

	return (key.len * 29 + first * 5u + last * 17u + parent.len * 41) % BUCKETS;
}

/* Where the bucket of this slot is, or the free one where it belongs. */
static int8_t *find_bucket(struct envelope_reader *r, struct slice parent, struct slice key)
{
	size_t i = bucket_of(parent, key);

	for (; r->buckets[i] != NO_SLOT; i = (i + 1) % BUCKETS) {
		const struct slot *slot = &r->slots[r->buckets[i]];

		if (slice_eq(slot->key, key) && slice_eq(slot->parent, parent))
			break;
	}
	return &r->buckets[i];
}

static void add_parent(struct envelope_reader *r, struct slice parent)
{
	for (size_t i = 0; i < r->limits.ndescend; i++)
		if (slice_eq(r->parents[i], parent))
			return;
	ASSERT(r->limits.ndescend < PARENTS_MAX);
	r->parents[r->limits.ndescend++] = parent;
}

/* The slot of a source, made if it is new; NO_SLOT for sources outside the text. */
static int8_t slot_of_source(struct envelope_reader *r, const char *source)
{
	struct slot slot = {.parent = {"", 0}, .key = slice_of(source)};
	const char *dot;
	int8_t *bucket;

	if (source[0] == '@' || source[0] == '#')
		return NO_SLOT;
	dot = strchr(source, '.');
	if (dot != NULL) {
		slot.parent = (struct slice){source, (size_t)(dot - source)};
		slot.key = slice_of(dot + 1);
		add_parent(r, slot.parent);
	}
	ASSERT(slot.key.len <= KEY_MAX && slot.parent.len <= KEY_MAX);
	bucket = find_bucket(r, slot.parent, slot.key);
	if (*bucket == NO_SLOT) {
		ASSERT(r->nslots < SLOTS_MAX);
		*bucket = (int8_t)r->nslots;
		r->slots[r->nslots++] = slot;
	}
	return *bucket;
}

struct envelope_reader *envelope_reader_new(const char *region)
{
	struct envelope_reader *r = xcalloc(1, sizeof(*r));
	uint64_t seed;
	ssize_t n = getrandom(&seed, sizeof(seed), 0);

	ASSERT(n == (ssize_t)sizeof(seed));
	scan_scratch_init(&r->scratch, seed);
	r->limits = (struct scan_limits){.size_max = ENVELOPE_SIZE_MAX, .descend = r->parents};
	memset(r->buckets, NO_SLOT, sizeof(r->buckets));
	for (size_t i = 0; i < RULE_COUNT; i++)
		for (size_t j = 0; j < SOURCES_MAX && rules[i].sources[j] != NULL; j++)
			r->source_slots[i][j] = slot_of_source(r, rules[i].sources[j]);
	if (strcmp(region, "*") != 0) {
		r->region = fold_residency(slice_of(region));
		if (r->region.len == 0)
			r->region = slice_of(region);
	}
	r->hasher = content_hasher_new();
	return r;
}

void envelope_reader_free(struct envelope_reader *r)
{
	if (r == NULL)
		return;
	content_hasher_free(r->hasher);
	free(r);
}

/* ---- from the text to the sources ---- */

/* A key as rules spell it; empty, which no rule has, when it is longer than theirs. */
static struct slice plain_key(const struct scan_member *m, char out[KEY_MAX * 6])
{
	if (!m->key_escaped)
		return m->key;
	if (m->key.len > (size_t)KEY_MAX * 6)
		return (struct slice){"", 0};
	return (struct slice){out, scan_unescape(m->key, out)};
}

static void match_members(struct envelope_reader *r)
{
	char key_text[KEY_MAX * 6], parent_text[KEY_MAX * 6];

	for (size_t i = 0; i < r->index.len; i++) {
		const struct scan_member *m = &r->index.members[i];
		struct slice parent = {"", 0}, key = plain_key(m, key_text);
		int8_t slot;

		if (key.len == 0)
			continue;
		if (m->parent >= 0)
			parent = plain_key(&r->index.members[m->parent], parent_text);
		slot = *find_bucket(r, parent, key);
		if (slot != NO_SLOT)
			r->found[slot] = m;
	}
}

static struct slice transport_value(const struct envelope_transport *t, const char *source)
{
	if (strcmp(source, "#messageId") == 0)
		return t->message_id;
	if (strcmp(source, "#publishTime") == 0)
		return t->publish_time;
	if (strcmp(source, "#orderingKey") == 0)
		return t->ordering_key;
	ASSERT(source[0] == '@');
	for (size_t i = 0; i < t->nattributes; i++)
		if (slice_eq_str(t->attributes[i].name, source + 1))
			return t->attributes[i].value;
	return (struct slice){NULL, 0};
}

/* The value of a rule's source; false when there is none. An empty one of the transport is none. */
static bool source_value(const struct envelope_reader *r, const struct envelope_transport *t,
			 size_t rule, size_t i, struct rule_value *ret)
{
	const char *source = rules[rule].sources[i];
	int8_t slot = r->source_slots[rule][i];
	const struct scan_member *m;

	if (slot == NO_SLOT && r->bare)
		return false;
	if (slot == NO_SLOT) {
		*ret = (struct rule_value){
			.source = source,
			.kind = SCAN_STRING,
			.text = transport_value(t, source),
			.from_transport = true,
		};
		return ret->text.len > 0;
	}
	m = r->found[slot];
	if (m == NULL)
		return false;
	*ret = (struct rule_value){source, m->kind, m->value, m->value_escaped, false};
	if (m->kind == SCAN_STRING)
		ret->text = scan_inside(m->value);
	return true;
}

/* For people: a CloudEvent in binary mode has no members to be told about. */
static const char *usual_source(const struct envelope_reader *r, size_t rule)
{
	for (size_t i = 0; r->binary && i < SOURCES_MAX && rules[rule].sources[i] != NULL; i++)
		if (strncmp(rules[rule].sources[i], "@ce-", 4) == 0)
			return rules[rule].sources[i];
	return rules[rule].sources[0];
}

static struct outcome apply_rule(const struct envelope_reader *r, size_t rule,
				 const struct envelope_transport *t, struct event *ev)
{
	struct outcome outcome = {.usual = usual_source(r, rule)};

	for (size_t i = 0; i < SOURCES_MAX && rules[rule].sources[i] != NULL; i++) {
		size_t text_len = ev->text_len;
		struct rule_value v;

		if (!source_value(r, t, rule, i, &v))
			continue;
		if (v.kind != SCAN_NULL && rules[rule].take(ev, &rules[rule], &v))
			return (struct outcome){.taken = true, .source = v.source};
		ev->text_len = text_len;
		if (outcome.source == NULL) {
			outcome.source = v.source;
			outcome.null = v.kind == SCAN_NULL;
		}
	}
	return outcome;
}

/* ---- what follows from several fields ---- */

static void fill_defaults(struct event *ev, const struct outcome *outcomes)
{
	ev->retention_class = fold_retention(ev->retention_word);
	if (!outcomes[RULE_SAMPLING_RATE].taken)
		ev->sampling_rate = 1;
	/* `version` is the aggregate's only beside an aggregate */
	if (!outcomes[RULE_AGGREGATE_TYPE].taken && !outcomes[RULE_AGGREGATE_ID].taken)
		ev->aggregate_version = EVENT_NO_VERSION;
	if (!outcomes[RULE_SUBJECT].taken)
		return;
	ev->domain = rules_subject_segment(ev->subject, 1);
	if (!outcomes[RULE_AGGREGATE_TYPE].taken)
		ev->aggregate_type = rules_subject_segment(ev->subject, -3);
	if (!outcomes[RULE_SCHEMA_VERSION].taken) {
		struct slice version = rules_subject_segment(ev->subject, -1);
		struct slice digits = {version.ptr + 1, version.len - 1};
		int r = num_i64(digits, 0, INT32_MAX, &ev->schema_version);

		ASSERT(r == 0);
	}
}

/* The fault of a rule that took nothing: at the source that was refused, else at the first. */
static int refuse(const struct outcome *outcomes, enum rule_id rule, enum fault_code missing,
		  enum fault_code bad, const char *what, struct fault *fault)
{
	const struct outcome *o = &outcomes[rule];

	if (o->source == NULL)
		return fault_at_source(fault, missing, o->usual, "missing");
	return fault_at_source(fault, o->null ? missing : bad, o->source, o->null ? "null" : what);
}

static int check_tenant(struct event *ev, const struct outcome *outcomes, struct fault *fault)
{
	const struct outcome *o = &outcomes[RULE_TENANT];
	bool may_be_null = rules_tenant_may_be_null(ev->subject);

	if (o->taken) {
		if (!slice_eq_str(ev->tenant_id, EVENT_PLATFORM) || may_be_null)
			return 0;
		return fault_at_source(fault, FAULT_BAD_TENANT, o->source,
				       "this subject may not be the platform's");
	}
	if (o->source == NULL ? rules_tenant_may_be_absent(ev->subject) : o->null && may_be_null) {
		ev->tenant_id = SLICE_LIT(EVENT_PLATFORM);
		return 0;
	}
	return refuse(outcomes, RULE_TENANT,
		      o->null ? FAULT_NULL_TENANT_NOT_ALLOWED : FAULT_MISSING_TENANT,
		      FAULT_BAD_TENANT, "not tnt_ and a ULID", fault);
}

static int check_event(const struct envelope_reader *r, struct event *ev,
		       const struct outcome *outcomes, int64_t now_us, struct fault *fault)
{
	int rc;

	/* first of all: such an event may not even be kept as a dead letter */
	if (r->region.len > 0 && ev->data_residency.len > 0 &&
	    !slice_eq(ev->data_residency, r->region))
		return fault_at_source(fault, FAULT_WRONG_REGION, outcomes[RULE_RESIDENCY].source,
				       "bound to another region");
	if (!outcomes[RULE_EVENT_ID].taken)
		return refuse(outcomes, RULE_EVENT_ID, FAULT_MISSING_EVENT_ID,
			      FAULT_MISSING_EVENT_ID, "not 1 to 200 printable bytes", fault);
	if (!outcomes[RULE_SUBJECT].taken)
		return refuse(outcomes, RULE_SUBJECT, FAULT_MISSING_SUBJECT, FAULT_MISSING_SUBJECT,
			      "not melmastoon.<domain>. ... .v<n>", fault);
	rc = check_tenant(ev, outcomes, fault);
	if (rc != 0)
		return rc;
	if (!outcomes[RULE_OCCURRED_AT].taken)
		return refuse(outcomes, RULE_OCCURRED_AT, FAULT_MISSING_TIME, FAULT_BAD_TIME,
			      "neither RFC 3339 nor epoch milliseconds", fault);
	if (ev->occurred_at_us > now_us + DAY_US)
		return fault_at_source(fault, FAULT_FUTURE_TIME, outcomes[RULE_OCCURRED_AT].source,
				       "more than 24 hours ahead");
	return 0;
}

/* ---- what the event says, as a hash ---- */

/* Eight bytes, the highest first. */
static struct slice put_be64(int64_t v, char out[8])
{
	for (int i = 0; i < 8; i++)
		out[i] = (char)((uint64_t)v >> (56 - 8 * i) & 0xff);
	return (struct slice){out, 8};
}

/* Absent parts are empty, numbers eight bytes; which parts and in which order is frozen. */
static void fill_hashes(struct envelope_reader *r, struct event *ev)
{
	char version_bytes[8], time_bytes[8];
	struct slice version = {"", 0}, time = put_be64(ev->occurred_at_us, time_bytes);
	unsigned char digest[HASH_SHA256_LEN];

	if (ev->aggregate_version != EVENT_NO_VERSION)
		version = put_be64(ev->aggregate_version, version_bytes);
	content_hash(r->hasher,
		     (struct slice[]){ev->subject, ev->tenant_id, ev->aggregate_type,
				      ev->aggregate_id, version, time},
		     6, ev->payload, ev->content_hash);
	if (!rules_unstable_ids(ev->domain))
		return;
	/* the id changes with each delivery: one that follows from what the event says instead */
	content_hash(r->hasher, (struct slice[]){ev->subject, ev->aggregate_id, version}, 3,
		     ev->payload, digest);
	ulid_make(ev->occurred_at_us / 1000, digest, ev->key);
	ev->dedupe_key = (struct slice){ev->key, ULID_LEN};
}

/* In structured mode the text is the event. */
static int read_members(struct envelope_reader *r, struct slice text, struct fault *fault)
{
	int rc = scan_document(text, &r->limits, &r->scratch, &r->index, fault);

	if (rc == 0 && r->index.kind != SCAN_OBJECT)
		rc = fault_at_byte(fault, FAULT_NOT_AN_OBJECT, 0, "expected an object");
	if (rc == 0)
		match_members(r);
	return rc;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trimmed(struct slice s)
{
	while (s.len > 0 && is_space(s.ptr[s.len - 1]))
		s.len--;
	for (; s.len > 0 && is_space(s.ptr[0]); s.ptr++)
		s.len--;
	return s;
}

/* In binary mode it is the payload, and its members are not the envelope's, whatever their names.
 */
static int read_data(struct envelope_reader *r, struct slice text, struct event *ev,
		     struct fault *fault)
{
	struct slice data = trimmed(text);
	int rc;

	r->index.shape = 0;
	if (data.len == 0)
		return 0;
	rc = scan_document(text, &r->limits, &r->scratch, &r->index, fault);
	if (rc == 0 && r->index.kind != SCAN_NULL) {
		ev->payload = data;
		ev->payload_key = EVENT_WHOLE_TEXT;
	}
	return rc;
}

int envelope_read(struct envelope_reader *r, struct slice text,
		  const struct envelope_transport *transport, int64_t now_us, struct event *ret,
		  struct fault *fault)
{
	static const struct envelope_transport nothing;
	struct outcome outcomes[RULE_COUNT];
	int rc;

	if (transport == NULL)
		transport = &nothing;
	memset(ret, 0, offsetof(struct event, text));
	ret->published_at_us = EVENT_NO_TIME;
	ret->aggregate_version = EVENT_NO_VERSION;
	memset(r->found, 0, sizeof(r->found));
	r->bare = transport == &nothing;
	r->binary = transport_value(transport, "@" ENVELOPE_BINARY_MARK).len > 0;
	rc = r->binary ? read_data(r, text, ret, fault) : read_members(r, text, fault);
	for (size_t i = 0; i < RULE_COUNT; i++)
		outcomes[i] = apply_rule(r, i, transport, ret);
	fill_defaults(ret, outcomes);
	if (rc == 0)
		rc = check_event(r, ret, outcomes, now_us, fault);
	if (rc == 0)
		fill_hashes(r, ret);
	ret->shape = rc == 0 ? r->index.shape : 0;
	return rc;
}
