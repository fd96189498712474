/*
 * The takers: each turns one source's value into one member of the event, or refuses it, without a
 * look at any other member; what follows from several is envelope.c's. See rules.h, rules.def.
 */
#include "ingestd/reading/rules.h"

#include <strings.h>

#include "common/base/num.h"
#include "common/base/timestamp.h"
#include "common/base/utf8.h"
#include "ingestd/reading/fold.h"
#include "ingestd/reading/ident.h"
#include "ingestd/reading/swar.h"

/* What epoch milliseconds may be: the years 0001 to 9999. */
#define EPOCH_MS_MIN INT64_C(-62135596800000)
#define EPOCH_MS_MAX INT64_C(253402300799999)

static const struct {
	const char *subjects; /* prefix */
	bool absent;          /* the member may be missing too */
} without_tenant[] = {
	{"melmastoon.bff.consumer.", false}, /* searches across all tenants */
	{"melmastoon.iam.", false},          /* people before they belong to one */
	{"melmastoon.analytics.", true},     /* our own, come back by the wildcard */
};

static const char *const unstable_ids[] = {"pricing"};

static void *member(struct event *ev, const struct rule *rule)
{
	return (char *)ev + rule->offset;
}

static void put(struct event *ev, const struct rule *rule, struct slice s)
{
	*(struct slice *)member(ev, rule) = s;
}

/* Room for n bytes in the event's own text; NULL when it is used up. */
static char *text_room(struct event *ev, size_t n)
{
	char *p = ev->text + ev->text_len;

	if (n > sizeof(ev->text) - ev->text_len)
		return NULL;
	ev->text_len += n;
	return p;
}

static bool printable(struct slice s)
{
	uint64_t control = 0;

	for (; s.len >= 8; s.ptr += 8, s.len -= 8)
		control |= swar_control(swar_load(s.ptr));
	for (size_t i = 0; i < s.len; i++)
		control |= (unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f;
	return control == 0;
}

/* The value as text without control characters, of 1 to the rule's number of bytes. */
static bool read_text(struct event *ev, const struct rule *rule, const struct rule_value *v,
		      struct slice *ret)
{
	struct slice s = v->text;

	if (v->kind != SCAN_STRING)
		return false;
	if (v->escaped) {
		char *room = text_room(ev, s.len);

		if (room == NULL)
			return false;
		s = (struct slice){room, scan_unescape(s, room)};
	}
	if (s.len == 0 || s.len > rule->text_max || !printable(s))
		return false;
	if (v->from_transport && !utf8_valid(s))
		return false;
	*ret = s;
	return true;
}

static bool take_text(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	struct slice s;

	if (!read_text(ev, rule, v, &s))
		return false;
	put(ev, rule, s);
	return true;
}

static bool take_id(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	if (!take_text(ev, rule, v))
		return false;
	ev->dedupe_key = ident_event_key(ev->event_id, ev->key);
	return true;
}

static bool is_segment_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* melmastoon.<domain>(.<segment>)*.v<n> */
static bool is_subject(struct slice s)
{
	size_t segments = 0, start = 0;
	int64_t version;

	for (size_t i = 0; i <= s.len; i++) {
		if (i < s.len && is_segment_char(s.ptr[i]))
			continue;
		if ((i < s.len && s.ptr[i] != '.') || i == start)
			return false;
		segments++;
		if (i < s.len)
			start = i + 1;
	}
	if (segments < 4 || !slice_starts(s, "melmastoon.") || s.ptr[start] != 'v')
		return false;
	s = (struct slice){s.ptr + start + 1, s.len - start - 1};
	return num_i64(s, 0, INT32_MAX, &version) == 0;
}

static bool take_subject(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	struct slice s;

	if (!read_text(ev, rule, v, &s) || !is_subject(s))
		return false;
	put(ev, rule, s);
	return true;
}

static bool read_identifier(struct event *ev, struct slice s, struct slice *ret)
{
	char *room = text_room(ev, IDENT_MAX);

	if (room == NULL)
		return false;
	*ret = ident_canonical(s, room);
	return true;
}

static bool take_tenant(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	struct slice s;

	if (!read_text(ev, rule, v, &s) || !read_identifier(ev, s, &s))
		return false;
	if (!ident_is_tenant(s) && !slice_eq_str(s, EVENT_PLATFORM))
		return false;
	put(ev, rule, s);
	return true;
}

static bool take_identifier(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	struct slice s;

	if (!read_text(ev, rule, v, &s) || !read_identifier(ev, s, &s))
		return false;
	put(ev, rule, s);
	return true;
}

/* The end of a path like `tnt_…/payments/pay_…`, if it is an identifier. */
static bool take_identifier_path(struct event *ev, const struct rule *rule,
				 const struct rule_value *v)
{
	struct slice s;
	const char *slash;

	if (!read_text(ev, rule, v, &s))
		return false;
	slash = memrchr(s.ptr, '/', s.len);
	if (slash != NULL)
		s = (struct slice){slash + 1, (size_t)(s.ptr + s.len - slash - 1)};
	if (!ident_shaped(s) || !read_identifier(ev, s, &s))
		return false;
	put(ev, rule, s);
	return true;
}

/* RFC 3339, or a number of milliseconds since 1970. */
static bool take_time(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	int64_t *us = member(ev, rule), ms;
	struct slice s;

	if (v->kind != SCAN_NUMBER)
		return read_text(ev, rule, v, &s) && timestamp_parse(s, us) == 0;
	if (num_i64(v->text, EPOCH_MS_MIN, EPOCH_MS_MAX, &ms) != 0)
		return false;
	*us = ms * 1000;
	return true;
}

static bool take_payload(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	struct slice s = v->text;

	if (v->kind == SCAN_STRING)
		s = (struct slice){s.ptr - 1, s.len + 2}; /* with its quotes */
	put(ev, rule, s);
	ev->payload_key = v->source;
	return true;
}

static bool take_version(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	return v->kind == SCAN_NUMBER && num_i64(v->text, 0, INT64_MAX, member(ev, rule)) == 0;
}

static bool take_schema_version(struct event *ev, const struct rule *rule,
				const struct rule_value *v)
{
	struct slice s = v->text;

	if (v->kind != SCAN_NUMBER && !read_text(ev, rule, v, &s))
		return false;
	return num_i64(s, 0, INT32_MAX, member(ev, rule)) == 0;
}

/* `name` of `name@version`. */
static bool take_producer(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	struct slice s;
	const char *at;

	if (!read_text(ev, rule, v, &s))
		return false;
	at = memchr(s.ptr, '@', s.len);
	if (at != NULL)
		s.len = (size_t)(at - s.ptr);
	if (s.len == 0)
		return false;
	put(ev, rule, s);
	return true;
}

static bool take_residency(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	struct slice s;

	if (!read_text(ev, rule, v, &s))
		return false;
	put(ev, rule, fold_residency(s));
	return true;
}

static bool take_rate(struct event *ev, const struct rule *rule, const struct rule_value *v)
{
	struct slice s = v->text;
	double rate;

	if (v->kind != SCAN_NUMBER && !read_text(ev, rule, v, &s))
		return false;
	if (num_double(s, &rate) != 0 || rate <= 0 || rate > 1)
		return false;
	*(double *)member(ev, rule) = rate;
	return true;
}

const struct rule rules[RULE_COUNT] = {
#define RULE(id, member, text_max, take, ...) \
	[RULE_##id] = {offsetof(struct event, member), text_max, take, {__VA_ARGS__}},
#include "ingestd/reading/rules.def"
#undef RULE
};

static bool may_lack_tenant(struct slice subject, bool absent)
{
	for (size_t i = 0; i < ARRAY_SIZE(without_tenant); i++)
		if (slice_starts(subject, without_tenant[i].subjects))
			return !absent || without_tenant[i].absent;
	return false;
}

bool rules_tenant_may_be_null(struct slice subject)
{
	return may_lack_tenant(subject, false);
}

bool rules_tenant_may_be_absent(struct slice subject)
{
	return may_lack_tenant(subject, true);
}

bool rules_unstable_ids(struct slice domain)
{
	for (size_t i = 0; i < ARRAY_SIZE(unstable_ids); i++)
		if (slice_eq_str(domain, unstable_ids[i]))
			return true;
	return false;
}

const char *rules_attribute(struct slice name)
{
	for (size_t i = 0; i < RULE_COUNT; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(rules[i].sources); j++) {
			const char *source = rules[i].sources[j];

			if (source != NULL && source[0] == '@' && strlen(source + 1) == name.len &&
			    strncasecmp(source + 1, name.ptr, name.len) == 0)
				return source + 1;
		}
	}
	return NULL;
}

struct slice rules_subject_segment(struct slice subject, int at)
{
	const char *start = subject.ptr, *end = start + subject.len, *dot;

	for (; at < -1; at++) {
		end = memrchr(start, '.', (size_t)(end - start));
		if (end == NULL)
			return (struct slice){NULL, 0};
	}
	if (at < 0) {
		dot = memrchr(start, '.', (size_t)(end - start));
		start = dot != NULL ? dot + 1 : start;
		return (struct slice){start, (size_t)(end - start)};
	}
	for (; at > 0; at--) {
		dot = memchr(start, '.', (size_t)(end - start));
		if (dot == NULL)
			return (struct slice){NULL, 0};
		start = dot + 1;
	}
	dot = memchr(start, '.', (size_t)(end - start));
	return (struct slice){start, (size_t)((dot != NULL ? dot : end) - start)};
}
