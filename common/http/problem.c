/* Error answers; see problem.h. */
#include "common/http/problem.h"

#include "common/base/json.h"

#define TYPE_BASE "https://errors.melmastoon.ghasi.io/"

static const struct {
	const char *name, *type, *title;
	int status;
} problems[PROBLEM_COUNT] = {
#define PROBLEM(id, code, status, title) [PROBLEM_##id] = {code, TYPE_BASE code, title, status},
#include "common/http/problem.def"
#undef PROBLEM
};

int problem_status(enum problem_code c)
{
	ASSERT(c < PROBLEM_COUNT);
	return problems[c].status;
}

const char *problem_name(enum problem_code c)
{
	ASSERT(c < PROBLEM_COUNT);
	return problems[c].name;
}

const char *problem_title(enum problem_code c)
{
	ASSERT(c < PROBLEM_COUNT);
	return problems[c].title;
}

static void member(struct json_writer *w, const char *key, const char *value)
{
	if (value == NULL)
		return;
	jw_key(w, key);
	jw_str(w, value);
}

void problem_write(const struct problem *p, struct strbuf *out)
{
	struct json_writer w;

	ASSERT(p->code < PROBLEM_COUNT);
	jw_init(&w, out);
	jw_object(&w);
	member(&w, "type", problems[p->code].type);
	member(&w, "title", problems[p->code].title);
	jw_key(&w, "status");
	jw_i64(&w, problems[p->code].status);
	member(&w, "code", problems[p->code].name);
	member(&w, "detail", p->detail);
	member(&w, "instance", p->instance);
	member(&w, "correlationId", p->correlation_id);
	if (p->nviolations > 0) {
		jw_key(&w, "violations");
		jw_array(&w);
		for (size_t i = 0; i < p->nviolations; i++) {
			jw_object(&w);
			member(&w, "field", p->violations[i].field);
			member(&w, "message", p->violations[i].message);
			jw_end(&w);
		}
		jw_end(&w);
	}
	jw_end(&w);
}
