/* Counting outcomes until all are known; see submission.h. */
#include "ingestd/door/submission.h"

#include "common/base/json.h"
#include "common/base/xalloc.h"

#define SUBMISSION_MAGIC OBJ_MAGIC('S')
#define ERRORS_LISTED    1000 /* of one answer; the counts are always complete */

struct submission *submission_new(void (*on_done)(void *arg, const struct submission *s), void *arg)
{
	struct submission *s = xcalloc(1, sizeof(*s));

	s->magic = SUBMISSION_MAGIC;
	s->open = 1;
	s->on_done = on_done;
	s->arg = arg;
	return s;
}

void submission_opened(struct submission *s)
{
	OBJ_CHECK(s, SUBMISSION_MAGIC);
	s->open++;
}

static void close_one(struct submission *s)
{
	ASSERT(s->open > 0);
	if (--s->open > 0)
		return;
	if (s->on_done != NULL)
		s->on_done(s->arg, s);
	for (size_t i = 0; i < s->nerrors; i++)
		free(s->errors[i].detail);
	free(s->errors);
	s->magic = 0;
	free(s);
}

void submission_settle(struct submission *s, uint32_t index, enum outcome o, const char *code,
		       const char *detail)
{
	OBJ_CHECK(s, SUBMISSION_MAGIC);
	s->counts[o]++;
	if (code != NULL) {
		if (s->nerrors == s->errors_cap) {
			s->errors_cap = s->errors_cap == 0 ? 4 : 2 * s->errors_cap;
			s->errors = xreallocarray(s->errors, s->errors_cap, sizeof(*s->errors));
		}
		s->errors[s->nerrors++] = (struct submission_error){
			index, code, xstrdup(detail != NULL ? detail : "")};
	}
	close_one(s);
}

void submission_settle_failed(struct submission *s)
{
	OBJ_CHECK(s, SUBMISSION_MAGIC);
	s->failed = true;
	close_one(s);
}

void submission_write(const struct submission *s, struct strbuf *out)
{
	static const char *const names[OUTCOME_COUNT] = {
		[OUTCOME_ACCEPTED] = "accepted",
		[OUTCOME_DUPLICATE] = "duplicates",
		[OUTCOME_CONFLICT] = "conflicts",
		[OUTCOME_DEAD_LETTER] = "deadLettered",
	};
	struct json_writer w;

	jw_init(&w, out);
	jw_object(&w);
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		jw_key(&w, names[i]);
		jw_i64(&w, (int64_t)s->counts[i]);
	}
	jw_key(&w, "errors");
	jw_array(&w);
	for (size_t i = 0; i < s->nerrors && i < ERRORS_LISTED; i++) {
		jw_object(&w);
		jw_key(&w, "index");
		jw_i64(&w, s->errors[i].index);
		jw_key(&w, "code");
		jw_str(&w, s->errors[i].code);
		jw_key(&w, "detail");
		jw_str(&w, s->errors[i].detail);
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&w);
}

void submission_refuse(struct submission *s, struct submission_refusal why)
{
	OBJ_CHECK(s, SUBMISSION_MAGIC);
	s->failed = true;
	s->refusal = why;
}

void submission_abandon(struct submission *s)
{
	OBJ_CHECK(s, SUBMISSION_MAGIC);
	ASSERT(s->open == 1);
	s->on_done = NULL;
	close_one(s);
}

void submission_seal(struct submission *s)
{
	OBJ_CHECK(s, SUBMISSION_MAGIC);
	close_one(s);
}
