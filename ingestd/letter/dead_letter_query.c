/* Reading the words after `ingestd dead-letter`; see dead_letter_query.h. */
#include "ingestd/letter/dead_letter_query.h"

#include <errno.h>

#include "common/base/num.h"
#include "common/base/ulid.h"
#include "ingestd/reading/fault.h"

#define LIMIT_DEFAULT "100"
#define LIMIT_MAX     100000
#define DAY_US        INT64_C(86400000000)
#define ID_PREFIX     "dlq_"
#define VERB(v)       (1U << (v))
#define FILTERING \
	(VERB(DEAD_LETTER_LIST) | VERB(DEAD_LETTER_REPLAY) | VERB(DEAD_LETTER_ACKNOWLEDGE))
#define EVERY (FILTERING | VERB(DEAD_LETTER_SHOW))

static const char *const verbs[DEAD_LETTER_VERBS] = {
	[DEAD_LETTER_LIST] = "list",
	[DEAD_LETTER_SHOW] = "show",
	[DEAD_LETTER_REPLAY] = "replay",
	[DEAD_LETTER_ACKNOWLEDGE] = "acknowledge",
};

/* Reasons that are not faults of an event's text. */
static const char *const landing_reasons[] = {"conflict", "refused", "tenant_deleted"};

typedef int (*take_fn)(struct dead_letter_query *q, const char *word, int64_t now_us,
		       struct err *e);

static int take_reason(struct dead_letter_query *q, const char *word, int64_t now_us, struct err *e)
{
	(void)now_us;
	q->reason = word;
	for (int code = FAULT_NONE + 1; code < FAULT_COUNT; code++) {
		if (strcmp(fault_name((enum fault_code)code), word) == 0)
			return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(landing_reasons); i++) {
		if (strcmp(landing_reasons[i], word) == 0)
			return 0;
	}
	return err_set(e, -EINVAL, "there is no reason '%s'", word);
}

static int take_subject(struct dead_letter_query *q, const char *word, int64_t now_us,
			struct err *e)
{
	(void)now_us;
	(void)e;
	q->subject = word;
	return 0;
}

static int take_tenant(struct dead_letter_query *q, const char *word, int64_t now_us, struct err *e)
{
	(void)now_us;
	(void)e;
	q->tenant = word;
	return 0;
}

/* An instant, a day (its first moment, UTC), or how long ago. */
static int take_time(const char *word, int64_t now_us, char out[TIMESTAMP_TEXT_MAX], struct err *e)
{
	struct slice s = slice_of(word);
	int64_t us, ms;
	int32_t days;

	if (timestamp_parse_date(s, &days) == 0)
		us = days * DAY_US;
	else if (num_duration_ms(s, &ms) == 0)
		us = now_us - ms * 1000;
	else if (timestamp_parse(s, &us) < 0)
		return err_set(e, -EINVAL,
			       "'%s' is no time: write 2026-08-01, 2026-08-01T10:00:00Z or how "
			       "long ago, 2h",
			       word);
	timestamp_format(us, out);
	return 0;
}

static int take_since(struct dead_letter_query *q, const char *word, int64_t now_us, struct err *e)
{
	return take_time(word, now_us, q->since, e);
}

static int take_until(struct dead_letter_query *q, const char *word, int64_t now_us, struct err *e)
{
	return take_time(word, now_us, q->until, e);
}

static int take_limit(struct dead_letter_query *q, const char *word, int64_t now_us, struct err *e)
{
	int64_t n;

	(void)now_us;
	if (num_i64(slice_of(word), 1, LIMIT_MAX, &n) < 0)
		return err_set(e, -EINVAL, "--limit must be 1 to %d", LIMIT_MAX);
	(void)snprintf(q->limit, sizeof(q->limit), "%lld", (long long)n);
	return 0;
}

static const struct option {
	const char *word;
	unsigned verbs;
	take_fn take; /* of the next word; NULL: a switch, */
	size_t flag;  /* which is this member */
} options[] = {
	{"--reason", FILTERING, take_reason, 0},
	{"--subject", FILTERING, take_subject, 0},
	{"--tenant", FILTERING, take_tenant, 0},
	{"--since", FILTERING, take_since, 0},
	{"--until", FILTERING, take_until, 0},
	{"--limit", VERB(DEAD_LETTER_LIST), take_limit, 0},
	{"--all", FILTERING, NULL, offsetof(struct dead_letter_query, all)},
	{"--json", EVERY, NULL, offsetof(struct dead_letter_query, json)},
	{"--raw", VERB(DEAD_LETTER_SHOW), NULL, offsetof(struct dead_letter_query, raw)},
	{"--dry-run", VERB(DEAD_LETTER_REPLAY), NULL, offsetof(struct dead_letter_query, dry_run)},
};

static const struct option *find_option(const char *word, enum dead_letter_verb verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].word, word) == 0 && (options[i].verbs & VERB(verb)) != 0)
			return &options[i];
	}
	return NULL;
}

static int take_id(struct dead_letter_query *q, const char *word, struct err *e)
{
	size_t prefix = sizeof(ID_PREFIX) - 1;

	if (!slice_starts(slice_of(word), ID_PREFIX) || !ulid_valid(slice_of(word + prefix)))
		return err_set(e, -EINVAL, "'%s' is no dead letter: their ids are dlq_<ULID>",
			       word);
	if (q->id == NULL)
		q->id = word;
	strbuf_appendf(&q->ids, "%c%s", q->ids.len == 0 ? '{' : ',', word);
	return 0;
}

/* Which letters must be said, one way or another, before anything is changed. */
static int check(const struct dead_letter_query *q, int nids, struct err *e)
{
	bool filtered = q->reason != NULL || q->subject != NULL || q->tenant != NULL ||
			q->since[0] != '\0' || q->until[0] != '\0';

	if (q->verb == DEAD_LETTER_LIST && nids > 0)
		return err_set(e, -EINVAL, "list takes filters, `show` takes an id");
	if (q->verb == DEAD_LETTER_SHOW && nids != 1)
		return err_set(e, -EINVAL, "show takes one id");
	if ((q->verb == DEAD_LETTER_REPLAY || q->verb == DEAD_LETTER_ACKNOWLEDGE) && nids == 0 &&
	    !filtered && !q->all)
		return err_set(e, -EINVAL, "%s which? name ids or filters, or say --all",
			       verbs[q->verb]);
	return 0;
}

static int take_words(struct dead_letter_query *q, int argc, char **argv, int64_t now_us,
		      struct err *e)
{
	int nids = 0, r = 0;

	for (int i = 1; i < argc && r == 0; i++) {
		const struct option *o = find_option(argv[i], q->verb);

		if (argv[i][0] != '-') {
			r = take_id(q, argv[i], e);
			nids++;
		} else if (o == NULL) {
			r = err_set(e, -EINVAL, "%s has no option '%s'", verbs[q->verb], argv[i]);
		} else if (o->take == NULL) {
			*(bool *)((char *)q + o->flag) = true;
		} else if (i + 1 == argc) {
			r = err_set(e, -EINVAL, "%s needs a value", argv[i]);
		} else {
			r = o->take(q, argv[++i], now_us, e);
		}
	}
	if (nids > 0)
		strbuf_append_char(&q->ids, '}');
	return r < 0 ? r : check(q, nids, e);
}

int dead_letter_query_parse(int argc, char **argv, int64_t now_us, struct dead_letter_query *ret,
			    struct err *e)
{
	int r = -EINVAL;

	*ret = (struct dead_letter_query){.verb = DEAD_LETTER_VERBS, .limit = LIMIT_DEFAULT};
	ret->ids = STRBUF_INIT;
	for (int v = 0; argc > 0 && v < DEAD_LETTER_VERBS; v++) {
		if (strcmp(verbs[v], argv[0]) == 0)
			ret->verb = (enum dead_letter_verb)v;
	}
	if (ret->verb == DEAD_LETTER_VERBS)
		(void)err_set(e, r, "say list, show, replay or acknowledge%s%s",
			      argc > 0 ? ", not " : "", argc > 0 ? argv[0] : "");
	else
		r = take_words(ret, argc, argv, now_us, e);
	return r < 0 ? err_wrap(e, r, "dead-letter") : 0;
}

void dead_letter_query_clear(struct dead_letter_query *q)
{
	strbuf_clear(&q->ids);
}

void dead_letter_query_params(const struct dead_letter_query *q,
			      const char *params[DEAD_LETTER_PARAMS])
{
	params[0] = q->reason;
	params[1] = q->subject;
	params[2] = q->tenant;
	params[3] = q->since[0] != '\0' ? q->since : NULL;
	params[4] = q->until[0] != '\0' ? q->until : NULL;
	params[5] = q->ids.len != 0 ? q->ids.ptr : NULL;
}
