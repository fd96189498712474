/* Reading a dead letter again; see letter.h. */
#include "ingestd/letter/letter.h"

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "ingestd/landing/dead_letter.h"
#include "ingestd/letter/dead_letter_print.h"
#include "ingestd/reading/pubsub.h"
#include "ingestd/reading/scan.h"
#include "ingestd/reading/transport_record.h"

struct letter_reader {
	struct envelope_reader *envelopes;
	struct scan_scratch scratch; /* for push wrappers */
};

/* Columns of page_dead_letters.sql. */
enum {
	PAGE_ID,
	PAGE_REASON,
	PAGE_PLACE,
	PAGE_SOURCE,
	PAGE_ATTRIBUTES,
	PAGE_TRANSPORT,
	PAGE_BODY,
	PAGE_EVENT_ID
};

struct letter_reader *letter_reader_new(const char *region)
{
	struct letter_reader *r = xcalloc(1, sizeof(*r));

	r->envelopes = envelope_reader_new(region);
	scan_scratch_init(&r->scratch, hash_fast(slice_of(region)));
	return r;
}

void letter_reader_free(struct letter_reader *r)
{
	if (r == NULL)
		return;
	envelope_reader_free(r->envelopes);
	free(r);
}

void letter_stays_bad(struct letter *l, const char *reason, const char *severity, const char *place)
{
	l->bad = true;
	l->outcome = reason;
	l->severity = severity;
	(void)snprintf(l->place, sizeof(l->place), "%s", place);
}

static const char *keep(struct arena *a, const char *text)
{
	return arena_strdup(a, text != NULL ? text : "");
}

static struct slice keep_bytes(struct arena *a, struct slice base64)
{
	struct strbuf bytes = STRBUF_INIT;
	struct slice kept;

	dead_letter_bytes(base64, &bytes);
	kept = (struct slice){arena_strndup(a, strbuf_cstr(&bytes), bytes.len), bytes.len};
	strbuf_clear(&bytes);
	return kept;
}

/* A message whose wrapper could not be read was kept whole: maybe this version can. */
static struct envelope_transport unwrap(struct letter_reader *r, struct letter *l, struct arena *a)
{
	struct pubsub_message message = {.data = {NULL, 0}};
	struct fault fault;

	if (pubsub_read(l->body, a, &r->scratch, &message, &fault) < 0)
		return (struct envelope_transport){.attributes = NULL};
	l->body = message.data;
	l->attributes = transport_attributes(&message.transport, a);
	return message.transport;
}

static void read_event(struct letter_reader *r, struct letter *l,
		       const struct envelope_transport *transport, struct arena *a)
{
	struct event *ev = arena_alloc(a, sizeof(*ev));
	struct fault fault;
	char place[FAULT_PLACE_MAX];

	if (envelope_read(r->envelopes, l->body, transport, clock_wall_us(), ev, &fault) == 0) {
		l->event = ev;
		return;
	}
	fault_place(&fault, place);
	letter_stays_bad(l, fault_name(fault.code), dead_letter_severity(fault.code),
			 arena_printf(a, "%s: %s", place, fault.what));
}

void letter_read(struct letter_reader *r, const struct pgresult *res, size_t row, struct arena *a,
		 struct letter *ret)
{
	struct slice message = pgresult_slice(res, 0, row, PAGE_TRANSPORT);
	const char *id = keep(a, pgresult_text(res, 0, row, PAGE_EVENT_ID));
	struct envelope_transport transport;

	ret->id = keep(a, pgresult_text(res, 0, row, PAGE_ID));
	ret->reason = keep(a, pgresult_text(res, 0, row, PAGE_REASON));
	ret->attributes = slice_of(keep(a, pgresult_text(res, 0, row, PAGE_ATTRIBUTES)));
	ret->body = keep_bytes(a, pgresult_slice(res, 0, row, PAGE_BODY));
	if (strcmp(ret->reason, fault_name(FAULT_WRONG_REGION)) == 0 && ret->body.len == 0) {
		letter_stays_bad(ret, ret->reason, "warning", "its bytes were not kept");
		return;
	}
	if (ret->attributes.len == 0 && message.len == 0 &&
	    strncmp(pgresult_text(res, 0, row, PAGE_SOURCE), "pubsub_", 7) == 0)
		transport = unwrap(r, ret, a);
	else
		transport = transport_restore(ret->attributes, message, a);
	/* What could be read was not kept with its message, only with its id. If that was the
	 * message's it is so again; if not, it is found before the message is asked. */
	if (transport.message_id.len == 0)
		transport.message_id = slice_of(id);
	read_event(r, ret, &transport, a);
}
