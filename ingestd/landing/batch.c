/* Encoding a batch; see batch.h. Column orders are those of sql/…/ingestd/land_batch.sql. */
#include "ingestd/landing/batch.h"

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "ingestd/landing/control.h"
#include "ingestd/landing/copyrow.h"

#define ROW_TYPICAL     512 /* what the other columns of an event take, as a rule */
#define HEADER_LEN      19
#define TRAILER_LEN     2
#define FIELD_COUNT_LEN 2 /* in front of each tuple */
#define EVENT_FIELDS    26
#define DELTA_FIELDS    6
#define RECORD_FIELDS   3
#define CONTROL_FIELDS  5
#define LENGTH_NULL     UINT32_MAX

/* Positions of fields that are read back from a tuple. */
enum field {
	FIELD_DEDUPE_KEY = 0,
	FIELD_TENANT_ID = 1,
	FIELD_EVENT_ID = 2,
	FIELD_SUBJECT = 3,
	FIELD_OCCURRED_AT = 5,
	FIELD_PRODUCER = 13,
	FIELD_ATTRIBUTES = 24,
	FIELD_BODY = 25,
};

struct batch *batch_new(bool careful, size_t bytes_max)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	b->careful = careful;
	b->arena = arena_new();
	strbuf_init(&b->rows, bytes_max);
	strbuf_init(&b->dead, bytes_max);
	return b;
}

void batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	strbuf_clear(&b->rows);
	strbuf_clear(&b->dead);
	free(b->items);
	free(b->deltas);
	free(b->dead_items);
	free(b->charges);
	arena_free(b->arena);
	free(b);
}

size_t batch_bytes(const struct batch *b)
{
	return b->rows.len + b->dead.len;
}

bool batch_empty(const struct batch *b)
{
	return b->nitems == 0 && b->ndead == 0;
}

/* Makes room for `more` elements; returns the array, which may have moved. */
static void *room_for(void *items, size_t n, size_t more, size_t *cap, size_t size)
{
	if (n + more <= *cap)
		return items;
	*cap = n + more > 2 * *cap ? n + more : 2 * *cap;
	return xreallocarray(items, *cap, size);
}

void batch_reserve(struct batch *b, const struct batch *like)
{
	strbuf_reserve(&b->rows, like->rows.len + like->rows.len / 8);
	b->items = room_for(b->items, b->nitems, like->nitems + like->nitems / 8, &b->items_cap,
			    sizeof(*b->items));
}

static struct batch_item *add_item(struct batch *b)
{
	b->items = room_for(b->items, b->nitems, 1, &b->items_cap, sizeof(*b->items));
	return &b->items[b->nitems++];
}

static struct slice keep(struct batch *b, struct slice s)
{
	return (struct slice){arena_strndup(b->arena, s.ptr, s.len), s.len};
}

/* The delta that counts events of this tenant and domain; the last used are looked at first. */
static uint32_t delta_of(struct batch *b, struct slice tenant_id, struct slice domain)
{
	uint64_t hash = hash_fast(tenant_id) * 31 + hash_fast(domain);
	struct batch_delta *d;

	for (size_t i = b->ndeltas; i-- > 0;) {
		d = &b->deltas[i];
		if (d->hash == hash && slice_eq(d->tenant_id, tenant_id) &&
		    slice_eq(d->domain, domain))
			return (uint32_t)i;
	}
	b->deltas = room_for(b->deltas, b->ndeltas, 1, &b->deltas_cap, sizeof(*b->deltas));
	d = &b->deltas[b->ndeltas];
	*d = (struct batch_delta){.hash = hash};
	d->tenant_id = keep(b, tenant_id);
	d->domain = keep(b, domain);
	return (uint32_t)b->ndeltas++;
}

static int slice_cmp(struct slice a, struct slice b)
{
	int r = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

/* n more events with keys from lo to hi. */
static void count_events(struct batch *b, struct batch_delta *d, int32_t n, struct slice lo,
			 struct slice hi)
{
	if (d->events == 0 || slice_cmp(lo, d->key_lo) < 0)
		d->key_lo = keep(b, lo);
	if (d->events == 0 || slice_cmp(hi, d->key_hi) > 0)
		d->key_hi = keep(b, hi);
	d->events += n;
}

/* Returns where the tuple names its batch. */
static size_t encode_event(struct batch *b, const struct event *ev, struct slice body,
			   struct slice attributes, int64_t received_us)
{
	size_t batch_id_at;
	struct strbuf *r = &b->rows;

	strbuf_reserve(r, body.len + attributes.len + ROW_TYPICAL);
	copyrow_tuple(r, EVENT_FIELDS);
	copyrow_text(r, ev->dedupe_key);
	copyrow_text(r, ev->tenant_id);
	copyrow_text(r, ev->event_id);
	copyrow_text(r, ev->subject);
	copyrow_text(r, ev->domain);
	copyrow_timestamp(r, ev->occurred_at_us);
	if (ev->published_at_us != EVENT_NO_TIME)
		copyrow_timestamp(r, ev->published_at_us);
	else
		copyrow_null(r);
	copyrow_timestamp(r, received_us);
	copyrow_i64(r, b->batch_id);
	batch_id_at = r->len - sizeof(b->batch_id);
	copyrow_text_or_null(r, ev->aggregate_type);
	copyrow_text_or_null(r, ev->aggregate_id);
	if (ev->aggregate_version != EVENT_NO_VERSION)
		copyrow_i64(r, ev->aggregate_version);
	else
		copyrow_null(r);
	if (ev->schema_version != EVENT_NO_VERSION)
		copyrow_i32(r, (int32_t)ev->schema_version);
	else
		copyrow_null(r);
	copyrow_text_or_null(r, ev->producer);
	copyrow_text_or_null(r, ev->correlation_id);
	copyrow_text_or_null(r, ev->causation_id);
	copyrow_text_or_null(r, ev->traceparent);
	copyrow_text_or_null(r, ev->ordering_key);
	copyrow_text_or_null(r, ev->retention_class);
	copyrow_text_or_null(r, ev->retention_word);
	copyrow_text_or_null(r, ev->data_residency);
	copyrow_float(r, (float)ev->sampling_rate);
	copyrow_text(r, (struct slice){(const char *)ev->content_hash, sizeof(ev->content_hash)});
	copyrow_text_or_null(r, slice_of(ev->payload_key));
	copyrow_text_or_null(r, attributes);
	copyrow_text(r, body);
	return batch_id_at;
}

void batch_add_event(struct batch *b, struct submission *owner, uint32_t index,
		     const struct event *ev, struct slice body, struct slice attributes,
		     int64_t received_us)
{
	struct batch_item *item = add_item(b);

	if (b->rows.len == 0)
		copyrow_header(&b->rows);
	item->owner = owner;
	item->index = index;
	item->control = control_kind(ev);
	item->row = b->rows.len;
	item->batch_id_at = encode_event(b, ev, body, attributes, received_us) - item->row;
	ASSERT(!b->rows.overflow);
	item->row_len = b->rows.len - item->row;
	item->delta = delta_of(b, ev->tenant_id, ev->domain);
	count_events(b, &b->deltas[item->delta], 1, ev->dedupe_key, ev->dedupe_key);
	submission_opened(owner);
}

static void append_dead_letter(struct batch *b, struct submission *owner, uint32_t index,
			       const struct dead_letter *d)
{
	if (b->dead.len == 0)
		copyrow_header(&b->dead);
	b->dead_items = room_for(b->dead_items, b->ndead, 1, &b->dead_cap, sizeof(*b->dead_items));
	b->dead_items[b->ndead++] = (struct batch_dead_item){
		owner, index, d->reason, arena_strndup(b->arena, d->place.ptr, d->place.len)};
	dead_letter_encode(d, &b->dead);
	ASSERT(!b->dead.overflow);
}

void batch_add_dead_letter(struct batch *b, struct submission *owner, uint32_t index,
			   const struct dead_letter *d)
{
	append_dead_letter(b, owner, index, d);
	submission_opened(owner);
}

void batch_charge(struct batch *b, struct share *share, struct share_use use)
{
	struct batch_charge *last = b->ncharges > 0 ? &b->charges[b->ncharges - 1] : NULL;

	if (last == NULL || last->share != share) {
		b->charges = room_for(b->charges, b->ncharges, 1, &b->charges_cap,
				      sizeof(*b->charges));
		last = &b->charges[b->ncharges++];
		*last = (struct batch_charge){.share = share};
	}
	last->use.bytes += use.bytes;
	last->use.events += use.events;
}

/* The delta of b for each of the other's; the numbers are left in their `hash`, needed no more. */
static void absorb_deltas(struct batch *b, struct batch *other)
{
	for (size_t i = 0; i < other->ndeltas; i++) {
		struct batch_delta *from = &other->deltas[i];
		uint32_t to = delta_of(b, from->tenant_id, from->domain);

		count_events(b, &b->deltas[to], from->events, from->key_lo, from->key_hi);
		from->hash = to;
	}
}

void batch_absorb(struct batch *b, struct batch *other)
{
	size_t header = b->rows.len > 0 ? HEADER_LEN
					: 0; /* of the other's rows, not wanted twice */
	size_t move = b->rows.len - header;

	absorb_deltas(b, other);
	if (other->rows.len > 0)
		strbuf_append(&b->rows, other->rows.ptr + header, other->rows.len - header);
	b->items = room_for(b->items, b->nitems, other->nitems, &b->items_cap, sizeof(*b->items));
	for (size_t i = 0; i < other->nitems; i++) {
		struct batch_item *item = &b->items[b->nitems++];

		*item = other->items[i];
		item->row += move;
		item->delta = (uint32_t)other->deltas[item->delta].hash;
	}
	if (other->dead.len > 0) {
		header = b->dead.len > 0 ? HEADER_LEN : 0;
		strbuf_append(&b->dead, other->dead.ptr + header, other->dead.len - header);
	}
	b->dead_items = room_for(b->dead_items, b->ndead, other->ndead, &b->dead_cap,
				 sizeof(*b->dead_items));
	for (size_t i = 0; i < other->ndead; i++) {
		struct batch_dead_item *item = &b->dead_items[b->ndead++];

		*item = other->dead_items[i];
		item->detail = arena_strdup(b->arena, item->detail);
	}
	for (size_t i = 0; i < other->ncharges; i++)
		batch_charge(b, other->charges[i].share, other->charges[i].use);
	ASSERT(!b->rows.overflow && !b->dead.overflow);
	batch_free(other);
}

void batch_assign_id(struct batch *b, int64_t batch_id)
{
	unsigned char id[sizeof(batch_id)] = {0};

	b->batch_id = batch_id;
	for (size_t i = 0; i < sizeof(id); i++)
		id[i] = (unsigned char)((uint64_t)batch_id >> (8 * (sizeof(id) - 1 - i)));
	for (size_t i = 0; i < b->nitems; i++)
		memcpy(b->rows.ptr + b->items[i].row + b->items[i].batch_id_at, id, sizeof(id));
}

/* Ends the stream for sending and takes the trailer off again, so that the rows can be added to,
 * split or sent once more. */
static struct slice with_trailer(struct strbuf *stream)
{
	struct slice s;

	if (stream->len == 0)
		copyrow_header(stream);
	copyrow_trailer(stream);
	s = strbuf_slice(stream);
	stream->len -= TRAILER_LEN;
	return s;
}

struct slice batch_event_stream(struct batch *b)
{
	return with_trailer(&b->rows);
}

struct slice batch_dead_stream(struct batch *b)
{
	return with_trailer(&b->dead);
}

void batch_delta_stream(const struct batch *b, struct strbuf *out)
{
	copyrow_header(out);
	for (size_t i = 0; i < b->ndeltas; i++) {
		if (b->deltas[i].events == 0)
			continue;
		copyrow_tuple(out, DELTA_FIELDS);
		copyrow_i64(out, b->batch_id);
		copyrow_text(out, b->deltas[i].tenant_id);
		copyrow_text(out, b->deltas[i].domain);
		copyrow_i32(out, b->deltas[i].events);
		copyrow_text(out, b->deltas[i].key_lo);
		copyrow_text(out, b->deltas[i].key_hi);
	}
	copyrow_trailer(out);
}

void batch_record_stream(const struct batch *b, struct strbuf *out)
{
	copyrow_header(out);
	copyrow_tuple(out, RECORD_FIELDS);
	copyrow_i64(out, b->batch_id);
	copyrow_i32(out, (int32_t)b->nitems);
	copyrow_i64(out, (int64_t)b->rows.len);
	copyrow_trailer(out);
}

/* The bytes of a field of the item's tuple; none for null. */
static struct slice field_of(const struct batch *b, const struct batch_item *i, enum field field)
{
	const unsigned char *p = (const unsigned char *)b->rows.ptr + i->row + FIELD_COUNT_LEN;
	uint32_t len = 0;

	for (int at = 0; at <= (int)field; at++) {
		p += len; /* of the field before */
		len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
		len = len == LENGTH_NULL ? 0 : len;
		p += sizeof(len);
	}
	return (struct slice){(const char *)p, len};
}

size_t batch_control_stream(const struct batch *b, struct strbuf *out)
{
	size_t n = 0;

	copyrow_header(out);
	for (size_t i = 0; i < b->nitems; i++) {
		const struct batch_item *item = &b->items[i];

		if (item->control == NULL)
			continue;
		copyrow_tuple(out, CONTROL_FIELDS);
		copyrow_text(out, field_of(b, item, FIELD_TENANT_ID));
		copyrow_text(out, field_of(b, item, FIELD_DEDUPE_KEY));
		copyrow_text(out, slice_of(item->control));
		copyrow_text(out, field_of(b, item, FIELD_SUBJECT));
		copyrow_text(out, field_of(b, item, FIELD_OCCURRED_AT));
		n++;
	}
	copyrow_trailer(out);
	return n;
}

void batch_suspect_stream(const struct batch *b, struct strbuf *out)
{
	copyrow_header(out);
	for (size_t i = 0; i < b->nitems; i++) {
		const struct batch_item *item = &b->items[i];

		copyrow_tuple(out, EVENT_FIELDS + 1);
		copyrow_i32(out, (int32_t)i + 1);
		strbuf_append(out, b->rows.ptr + item->row + FIELD_COUNT_LEN,
			      item->row_len - FIELD_COUNT_LEN);
	}
	copyrow_trailer(out);
	ASSERT(!out->overflow);
}

struct batch *batch_split(struct batch *b)
{
	struct batch *half = batch_new(b->careful, b->rows.max);
	size_t keep = b->nitems / 2;

	ASSERT(b->nitems >= 2);
	copyrow_header(&half->rows);
	for (size_t i = keep; i < b->nitems; i++) {
		struct batch_item *from = &b->items[i], *to = add_item(half);
		const struct batch_delta *d = &b->deltas[from->delta];

		*to = *from;
		to->row = half->rows.len;
		strbuf_append(&half->rows, b->rows.ptr + from->row, from->row_len);
		to->delta = delta_of(half, d->tenant_id, d->domain);
		count_events(half, &half->deltas[to->delta], 1,
			     field_of(half, to, FIELD_DEDUPE_KEY),
			     field_of(half, to, FIELD_DEDUPE_KEY));
		b->deltas[from->delta].events--;
	}
	b->rows.len = b->items[keep].row;
	b->nitems = keep;
	return half;
}

void batch_refuse_only(struct batch *b, const char *why)
{
	const struct batch_item *i = &b->items[0];
	const struct dead_letter d = {
		.reason = "refused",
		.severity = "critical",
		.source = "landing",
		.place = slice_of(why),
		.tenant_id = field_of(b, i, FIELD_TENANT_ID),
		.event_id = field_of(b, i, FIELD_EVENT_ID),
		.subject = field_of(b, i, FIELD_SUBJECT),
		.producer = field_of(b, i, FIELD_PRODUCER),
		.attributes = field_of(b, i, FIELD_ATTRIBUTES),
		.body = field_of(b, i, FIELD_BODY),
	};

	ASSERT(b->nitems == 1);
	append_dead_letter(b, i->owner, i->index, &d);
	b->deltas[i->delta].events = 0;
	b->rows.len = i->row;
	b->nitems = 0;
}

void batch_settle_event(struct batch *b, size_t i, enum outcome o, const char *code,
			const char *detail)
{
	const struct batch_item *item = &b->items[i];

	b->deltas[item->delta].outcomes[o]++;
	submission_settle(item->owner, item->index, o, code, detail);
}

void batch_settle_events(struct batch *b, enum outcome o)
{
	for (size_t i = 0; i < b->nitems; i++)
		batch_settle_event(b, i, o, NULL, NULL);
	b->nitems = 0;
}

void batch_settle_dead(struct batch *b)
{
	for (size_t i = 0; i < b->ndead; i++) {
		const struct batch_dead_item *d = &b->dead_items[i];

		submission_settle(d->owner, d->index, OUTCOME_DEAD_LETTER, d->reason, d->detail);
	}
	b->ndead = 0;
}

void batch_settle_failed(struct batch *b)
{
	for (size_t i = 0; i < b->nitems; i++)
		submission_settle_failed(b->items[i].owner);
	for (size_t i = 0; i < b->ndead; i++)
		submission_settle_failed(b->dead_items[i].owner);
	b->nitems = b->ndead = 0;
}
