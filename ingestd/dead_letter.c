/* Encoding dead letters; see dead_letter.h. */
#include "ingestd/dead_letter.h"

#include "common/hash.h"
#include "common/ulid.h"
#include "ingestd/copyrow.h"

#define FIELDS 12

/* The same bytes refused for the same reason are one dead letter, however often they come. */
static void fingerprint(const struct dead_letter *d, unsigned char out[HASH_SHA256_LEN])
{
	struct hash_sha256 *h = hash_sha256_new();

	hash_sha256_update(h, (struct slice){d->reason, strlen(d->reason) + 1}); /* with its NUL */
	hash_sha256_update(h, d->body);
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
}
