/* From bodies to events and dead letters; see intake.h. */
#include "ingestd/door/intake.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "ingestd/reading/envelope.h"
#include "ingestd/reading/pubsub.h"
#include "ingestd/reading/scan.h"
#include "ingestd/reading/transport_record.h"

#define BREATHE_EVERY 32 /* events of a body: a large one would keep Postgres waiting for rows */

struct intake {
	struct batcher *batcher;
	struct shapes *shapes;
	struct envelope_reader *reader;
	struct event event;           /* of the text being read */
	struct scan_scratch *scratch; /* for wrappers */
	bool reading; /* a body: no other may begin meanwhile, see batcher_breathe() */
};

/* One body on its way in. */
struct delivery {
	struct intake *intake;
	const char *source;
	const struct envelope_transport *transport; /* NULL: none */
	struct slice attributes; /* its attributes as JSON, kept beside the event */
	struct slice message;    /* its other members as JSON, kept beside a dead letter */
	const struct caller_tenants *tenants; /* NULL: all */
	struct submission *submission;
	int64_t received_us;
	uint32_t index;
};

struct intake *intake_new(struct batcher *batcher, struct shapes *shapes,
			  const struct ingestd_config *conf)
{
	struct intake *in = xcalloc(1, sizeof(*in));

	in->batcher = batcher;
	in->shapes = shapes;
	in->reader = envelope_reader_new(conf->region);
	in->scratch = xmalloc(sizeof(*in->scratch));
	scan_scratch_init(in->scratch, hash_fast(slice_of(conf->instance)));
	return in;
}

void intake_free(struct intake *in)
{
	if (in == NULL)
		return;
	envelope_reader_free(in->reader);
	free(in->scratch);
	free(in);
}

enum batcher_door intake_door(const struct intake *in, size_t bytes)
{
	return batcher_door(in->batcher, bytes);
}

static void add_dead_letter(struct delivery *d, struct slice text, const struct fault *fault)
{
	const struct event *ev = &d->intake->event;
	char place[FAULT_PLACE_MAX], detail[256];
	struct dead_letter letter = {
		.reason = fault_name(fault->code),
		.severity = dead_letter_severity(fault->code),
		.source = d->source,
		.tenant_id = ev->tenant_id,
		.event_id = ev->event_id,
		.subject = ev->subject,
		.producer = ev->producer,
		.body = text,
		.attributes = d->attributes,
		.transport = d->message,
	};

	if (fault->code == FAULT_WRONG_REGION) /* another region's data may not stay here */
		letter.body = letter.attributes = letter.transport = (struct slice){"", 0};
	fault_place(fault, place);
	(void)snprintf(detail, sizeof(detail), "%s: %s", place, fault->what);
	letter.place = slice_of(detail);
	batcher_add_dead_letter(d->intake->batcher, d->submission, d->index, &letter);
}

/* -EACCES: the caller may not send for the tenant it names. */
static int add_text(struct delivery *d, struct slice text)
{
	struct intake *in = d->intake;
	struct fault fault;

	if (envelope_read(in->reader, text, d->transport, d->received_us, &in->event, &fault) < 0) {
		add_dead_letter(d, text, &fault);
	} else if (d->tenants != NULL && !caller_may_send_for(d->tenants, in->event.tenant_id)) {
		return -EACCES;
	} else {
		batcher_expect(in->batcher, &in->event);
		shapes_note(in->shapes, &in->event, text);
		batcher_add_event(in->batcher, d->submission, d->index, &in->event, text,
				  d->attributes, d->received_us);
	}
	d->index++;
	if (d->index % BREATHE_EVERY == 0)
		batcher_breathe(in->batcher);
	return 0;
}

static struct delivery deliver(struct intake *in, const char *source, intake_settled_fn fn,
			       void *arg)
{
	ASSERT(!in->reading);
	in->reading = true;
	return (struct delivery){
		.intake = in,
		.source = source,
		.submission = submission_new(fn, arg),
		.received_us = clock_wall_us(),
	};
}

static void delivered(struct delivery *d)
{
	d->intake->reading = false;
	batcher_take(d->intake->batcher, d->submission);
	submission_seal(d->submission);
}

/* ---- the texts of a body, one by one */

enum framing { FRAMING_ONE, FRAMING_ARRAY, FRAMING_LINES };

struct cursor {
	enum framing framing;
	struct slice body;
	size_t offset;
};

/* 1 with the next text, 0 at the end, -EINVAL with the fault. Empty lines come as empty texts. */
static int next_text(struct cursor *c, struct slice *ret, struct fault *fault)
{
	const char *end;

	if (c->framing == FRAMING_ARRAY)
		return scan_array_next(c->body, &c->offset, ret, fault);
	if (c->offset >= c->body.len)
		return 0;
	ret->ptr = c->body.ptr + c->offset;
	ret->len = c->body.len - c->offset;
	end = c->framing == FRAMING_LINES ? memchr(ret->ptr, '\n', ret->len) : NULL;
	if (end != NULL)
		ret->len = (size_t)(end - ret->ptr);
	c->offset += ret->len + (end != NULL);
	return 1;
}

static bool is_blank(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != ' ' && s.ptr[i] != '\t' && s.ptr[i] != '\r' && s.ptr[i] != '\n')
			return false;
	}
	return true;
}

/* What is on stage when a body turns out to be refused as a whole is dropped. */
static int refuse(struct delivery *d, int r, const struct fault *fault, struct intake_refusal *why)
{
	why->forbidden = r == -EACCES;
	if (why->forbidden)
		(void)snprintf(why->detail, sizeof(why->detail),
			       "Event %u belongs to a tenant that this token may not send for; "
			       "nothing was kept.",
			       d->index);
	else
		(void)snprintf(why->detail, sizeof(why->detail),
			       "The array is not valid JSON at byte %zu: %s; nothing was kept.",
			       fault->offset, fault->what);
	d->intake->reading = false;
	batcher_drop(d->intake->batcher);
	submission_abandon(d->submission);
	return r;
}

static int take(struct intake *in, struct cursor c, const struct caller_tenants *tenants,
		intake_settled_fn fn, void *arg, struct intake_refusal *why)
{
	struct delivery d = deliver(in, "events", fn, arg);
	struct fault fault;
	struct slice text;
	int r, added = 0;

	d.tenants = tenants;
	while (added == 0 && (r = next_text(&c, &text, &fault)) > 0) {
		if (c.framing == FRAMING_LINES && is_blank(text))
			d.index++; /* the index stays the line's number */
		else
			added = add_text(&d, text);
	}
	if (added < 0)
		r = added;
	if (r < 0)
		return refuse(&d, r, &fault, why);
	delivered(&d);
	return 0;
}

int intake_json(struct intake *in, struct slice body, const struct caller_tenants *tenants,
		intake_settled_fn fn, void *arg, struct intake_refusal *why)
{
	size_t i = 0;

	while (i < body.len && is_blank((struct slice){body.ptr + i, 1}))
		i++;
	return take(
		in,
		(struct cursor){i < body.len && body.ptr[i] == '[' ? FRAMING_ARRAY : FRAMING_ONE,
				body, 0},
		tenants, fn, arg, why);
}

int intake_lines(struct intake *in, struct slice body, const struct caller_tenants *tenants,
		 intake_settled_fn fn, void *arg, struct intake_refusal *why)
{
	return take(in, (struct cursor){FRAMING_LINES, body, 0}, tenants, fn, arg, why);
}

/* One text or several, when nobody says: several when the first line is JSON by itself, or when all
 * of it is not. */
static bool is_lines(struct intake *in, struct slice body)
{
	static const struct scan_limits limits = {.size_max = UINT32_MAX};
	const char *eol = body.len > 0 ? memchr(body.ptr, '\n', body.len) : NULL;
	struct slice first = body, rest;

	if (eol == NULL)
		return false;
	first.len = (size_t)(eol - body.ptr);
	rest = (struct slice){eol + 1, body.len - first.len - 1};
	if (is_blank(rest))
		return false;
	return (!is_blank(first) && scan_document(first, &limits, in->scratch, NULL, NULL) == 0) ||
	       scan_document(body, &limits, in->scratch, NULL, NULL) != 0;
}

int intake_message(struct intake *in, struct slice body, const struct caller_tenants *tenants,
		   intake_settled_fn fn, void *arg, struct intake_refusal *why)
{
	return is_lines(in, body) ? intake_lines(in, body, tenants, fn, arg, why)
				  : intake_json(in, body, tenants, fn, arg, why);
}

/* ---- events that have a transport */

static void say(struct delivery *d, const struct envelope_transport *t, struct arena *arena)
{
	d->transport = t;
	d->attributes = transport_attributes(t, arena);
	d->message = transport_message(t, arena);
}

int intake_event(struct intake *in, struct slice text, const struct envelope_transport *transport,
		 struct arena *scratch, const struct caller_tenants *tenants, intake_settled_fn fn,
		 void *arg, struct intake_refusal *why)
{
	struct delivery d = deliver(in, "events", fn, arg);
	int r;

	d.tenants = tenants;
	say(&d, transport, scratch);
	r = add_text(&d, text);
	if (r < 0)
		return refuse(&d, r, NULL, why);
	delivered(&d);
	return 0;
}

/* What has no envelope to be told about. */
static void add_unreadable(struct delivery *d, struct slice text, const struct fault *fault)
{
	memset(&d->intake->event, 0, sizeof(d->intake->event));
	add_dead_letter(d, text, fault);
	d->index++;
}

/* -EINVAL: nothing was added, and of *message only the ack id counts. */
static int add_wrapped(struct delivery *d, struct slice wrapper, struct arena *arena,
		       struct pubsub_message *message, struct fault *fault)
{
	int r = pubsub_read(wrapper, arena, d->intake->scratch, message, fault);

	if (r < 0)
		return r;
	say(d, &message->transport, arena);
	(void)add_text(d, message->data); /* who pushes or is pulled from may send for all */
	return 0;
}

/* Without metadata nothing but its content tells an unwrapped event from a broken wrapper. */
static bool is_bare_event(struct intake *in, struct slice body)
{
	struct fault fault;

	return envelope_read(in->reader, body, NULL, clock_wall_us(), &in->event, &fault) == 0;
}

void intake_push(struct intake *in, struct slice body, struct headers *headers,
		 struct arena *scratch, intake_settled_fn fn, void *arg)
{
	struct delivery d = deliver(in, "pubsub_push", fn, arg);
	struct envelope_transport transport;
	struct pubsub_message message;
	struct fault fault;

	if (headers->message_id.ptr != NULL) {
		if (headers_end(headers, &transport, &fault) < 0) {
			add_unreadable(&d, body, &fault);
		} else {
			say(&d, &transport, scratch);
			(void)add_text(&d, body);
		}
	} else if (add_wrapped(&d, body, scratch, &message, &fault) < 0) {
		if (is_bare_event(in, body))
			(void)add_text(&d, body);
		else
			add_unreadable(&d, body, &fault);
	}
	delivered(&d);
}

int intake_pulled(struct intake *in, struct slice body, struct arena *arena, struct slice **ack_ids,
		  intake_settled_fn fn, void *arg, struct fault *fault)
{
	struct slice messages, one;
	struct delivery d;
	size_t offset = 0;
	int n = 0, r = pubsub_pulled(body, &messages, fault);

	if (r <= 0)
		return r;
	*ack_ids = arena_alloc(arena, (size_t)r * sizeof(**ack_ids));
	d = deliver(in, "pubsub_pull", fn, arg);
	while (scan_array_next(messages, &offset, &one, NULL) > 0) {
		struct pubsub_message message;

		d.transport = NULL;
		d.attributes = d.message = (struct slice){NULL, 0};
		if (add_wrapped(&d, one, arena, &message, fault) < 0)
			add_unreadable(&d, one, fault);
		if (message.ack_id.len > 0)
			(*ack_ids)[n++] = message.ack_id;
	}
	delivered(&d);
	return n;
}
