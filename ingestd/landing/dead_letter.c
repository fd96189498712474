/* Encoding dead letters; see dead_letter.h. */
#include "ingestd/landing/dead_letter.h"

#include "common/base/hash.h"
#include "common/base/ulid.h"
#include "ingestd/landing/copyrow.h"

#define FIELDS 13

static const enum fault_code critical[] = {FAULT_MISSING_TENANT, FAULT_BAD_TENANT,
					   FAULT_NULL_TENANT_NOT_ALLOWED};

const char *dead_letter_severity(enum fault_code code)
{
	for (size_t i = 0; i < ARRAY_SIZE(critical); i++) {
		if (critical[i] == code)
			return "critical";
	}
	return "warning";
}

/* The same bytes refused for the same reason are one dead letter, however often they come. Where
 * the bytes may not be kept, what is known of the event tells one from another. */
static void fingerprint(const struct dead_letter *d, unsigned char out[HASH_SHA256_LEN])
{
	struct hash_sha256 *h = hash_sha256_new();

	hash_sha256_update(h, (struct slice){d->reason, strlen(d->reason) + 1}); /* with its NUL */
	hash_sha256_update(h, d->body);
	if (d->body.len == 0) {
		hash_sha256_update(h, d->tenant_id);
		hash_sha256_update(h, d->event_id);
	}
	hash_sha256_final(h, out);
	hash_sha256_free(h);
}

void dead_letter_encode(const struct dead_letter *d, struct strbuf *out)
{
	unsigned char sum[HASH_SHA256_LEN];
	char id[ULID_LEN + 8];

	ulid_prefixed("dlq", id, sizeof(id));
	fingerprint(d, sum);
	copyrow_tuple(out, FIELDS);
	copyrow_text(out, slice_of(id));
	copyrow_text(out, (struct slice){(const char *)sum, sizeof(sum)});
	copyrow_text_or_null(out, d->tenant_id);
	copyrow_text_or_null(out, d->event_id);
	copyrow_text_or_null(out, d->subject);
	copyrow_text_or_null(out, d->producer);
	copyrow_text(out, slice_of(d->reason));
	copyrow_text(out, d->place);
	copyrow_text(out, slice_of(d->severity));
	copyrow_text(out, d->body); /* bytea: any bytes */
	copyrow_text_or_null(out, d->attributes);
	copyrow_text(out, slice_of(d->source));
	copyrow_text_or_null(out, d->transport);
}
