/*
 * The canonical event: every envelope shape that the platform's services publish, read by one table
 * of rules (rules.def) into one record. Pure: no clock, no I/O, nothing kept between two events.
 *
 * Nothing is invented and nothing is dropped: unknown fields are ignored, an optional field that is
 * null or malformed counts as absent, a required one that is missing or malformed is a fault.
 */
#ifndef INGESTD_ENVELOPE_H
#define INGESTD_ENVELOPE_H

#include "common/base/base.h"
#include "common/base/hash.h"
#include "common/base/ulid.h"
#include "ingestd/reading/fault.h"

#define ENVELOPE_SIZE_MAX ((size_t)1 << 20) /* bytes of one event */
#define EVENT_PLATFORM    "_platform"       /* the tenant of what legally has none */
#define EVENT_NO_TIME     INT64_MIN
#define EVENT_NO_VERSION  (-1)
#define EVENT_WHOLE_TEXT  "." /* the payload key of a CloudEvent in binary mode */

/* Slices point into the text, the transport's values, static text, or the last members: an event is
 * valid as long as what it was read from, and is not copied by assignment. Empty: absent. */
struct event {
	struct slice event_id;   /* as it came */
	struct slice dedupe_key; /* what makes it unique within its tenant */
	struct slice subject, domain /* the subject's second segment */;
	struct slice tenant_id; /* canonical, or EVENT_PLATFORM */
	int64_t occurred_at_us;
	int64_t published_at_us; /* or EVENT_NO_TIME */
	struct slice payload;    /* JSON text */
	/* its member: "payload", "data" or "properties"; EVENT_WHOLE_TEXT; NULL: none */
	const char *payload_key;
	struct slice aggregate_type, aggregate_id;
	int64_t aggregate_version; /* or EVENT_NO_VERSION */
	int64_t schema_version;    /* within int32 */
	struct slice producer;
	struct slice correlation_id, causation_id, traceparent;
	struct slice ordering_key;
	struct slice retention_class, retention_word; /* folded; the producer's own */
	struct slice data_residency;                  /* folded; empty when unknown */
	double sampling_rate;                         /* 0 < rate <= 1 */
	unsigned char content_hash[HASH_SHA256_LEN];
	uint64_t shape; /* of the text, as the scanner saw it; see scan.h */

	char key[ULID_LEN + 1]; /* a dedupe key that is a ULID */
	size_t text_len;        /* other values that had to be unescaped or made canonical */
	char text[4096];
};

struct envelope_attribute {
	struct slice name, value;
};

/*
 * What the transport says beside the text: Pub/Sub attributes and message fields, CloudEvents
 * attributes as "ce-…". Zeroed: nothing. The bytes need not be valid UTF-8; such a value counts as
 * absent.
 *
 * With an attribute ENVELOPE_BINARY_MARK the event is a CloudEvent in binary mode: the text is its
 * data, any JSON value or nothing at all, and only the attributes say what it is. Text and
 * attributes are stored side by side: whoever reads them again reads the same event.
 */
#define ENVELOPE_BINARY_MARK "ce-specversion"
struct envelope_transport {
	const struct envelope_attribute *attributes;
	size_t nattributes;
	struct slice message_id, publish_time, ordering_key;
};

/* The rules made ready, and working memory; one per thread. */
struct envelope_reader;

/* region: the only one whose tenants' events may land here, in any spelling; "*" for all. */
struct envelope_reader *envelope_reader_new(const char *region) MUST_CHECK;
void envelope_reader_free(struct envelope_reader *r); /* NULL is fine */

/* Reads one event received at now_us; transport and fault may be NULL. On -EINVAL, *fault says why
 * it cannot land, and *ret still holds what could be read: when the text is not JSON, that is only
 * what the transport says. */
int envelope_read(struct envelope_reader *r, struct slice text,
		  const struct envelope_transport *transport, int64_t now_us, struct event *ret,
		  struct fault *fault) MUST_CHECK;

#endif
